"""What every store must do. Each store's test inherits `StoreContract` whole and says only how it is made."""

from tests.unit.manager.store import contract_changes, contract_people, contract_records


class StoreContract(
    contract_changes.StrategyContract,
    contract_changes.FeedContract,
    contract_people.UserContract,
    contract_people.RoleContract,
    contract_people.RefreshTokenContract,
    contract_records.AuditContract,
    contract_records.ClaimContract,
    contract_records.AgentContract,
):
    """Inherit, and provide the fixture `make_store`; see `samples.MakeStore`."""
