"""What replicas and log-ins leave in a store, as documents; see `kinds` for what the revision counts."""

import dataclasses

import pydantic

from gthulhu.manager.domain import intent, sample
from gthulhu.manager.store import base

REFRESH_TOKEN = pydantic.TypeAdapter(base.RefreshToken)
AUDIT_ENTRY = pydantic.TypeAdapter(base.AuditEntry)
SESSION = pydantic.TypeAdapter(base.AgentSession)
REPORT = pydantic.TypeAdapter(intent.Report)
SAMPLE = pydantic.TypeAdapter(sample.Sample)
POD_SAMPLES = pydantic.TypeAdapter(tuple[sample.PodSample, ...])


def split_sample(value: sample.Sample) -> tuple[str, str]:
    """Return a sample without its pods, and its pods, both as JSON: figures may be larger than stores' integers."""
    return (
        SAMPLE.dump_json(value, exclude={"pods"}).decode(),
        POD_SAMPLES.dump_json(value.pods).decode(),
    )


def join_sample(document: str, pods: str = "[]") -> sample.Sample:
    """Return the sample of both."""
    return dataclasses.replace(SAMPLE.validate_json(document), pods=POD_SAMPLES.validate_json(pods))
