"""Chooses the collector that this node and the configuration allow."""

import logging

from gthulhu.agent import config as configs
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import libbpf
from gthulhu.agent.metrics import collector, collector_co_re, collector_procfs
from gthulhu.common import errors

_logger = logging.getLogger(__name__)


def choose_collector(config: configs.AgentConfig) -> collector.Collector:
    """Return the collector that is configured, or with `auto` the one that tells most of those that work here.

    Raises:
        PreconditionError: `COLLECTOR_UNAVAILABLE` where the configured one cannot work here.
    """
    wanted = config.measuring.collector
    if wanted != "procfs":
        try:
            return collector_co_re.CoReCollector(hierarchy=hierarchies.find(config.node.cgroup_root))
        except (libbpf.BpfError, errors.PreconditionError) as error:
            if wanted == "co-re":
                raise errors.PreconditionError(
                    "COLLECTOR_UNAVAILABLE", f"measuring.collector: co-re cannot work: {error.message}"
                ) from error
            _logger.warning("the kernel does not count for us, /proc must do: %s", error.message)
    return collector_procfs.ProcfsCollector(proc_root=config.node.proc_root)
