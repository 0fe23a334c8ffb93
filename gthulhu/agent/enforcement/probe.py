"""Chooses the enforcer that this node and the configuration allow, and puts a node back without one."""

import os
import pathlib

from gthulhu.agent import config as configs
from gthulhu.agent.enforcement import base, external, observe, originals, stock, threads
from gthulhu.agent.enforcement.sched_ext import enforcer as sched_ext_enforcer
from gthulhu.agent.enforcement.sched_ext import scheduler
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import procfs
from gthulhu.common import clock as clocks
from gthulhu.common import errors

_CAP_SYS_NICE = 23
"""capabilities(7); linux/capability.h."""

PINS = pathlib.Path("/sys/fs/bpf/gthulhu")
"""Where the scheduler is pinned, if it is to outlive the agent."""


def choose_enforcer(config: configs.AgentConfig, *, clock: clocks.Clock) -> base.Enforcer:
    """Return the enforcer that is configured, or with `auto` the strongest that the node allows.

    Why it is not a stronger one stands in its `capabilities().reason`.

    Raises:
        PreconditionError: `ENFORCER_UNAVAILABLE` where the configured one cannot work here.
        ConflictError: `AGENT_RUNNING` where another agent has the node's originals.
    """
    wanted = config.enforcement.enforcer
    if wanted != "sched_ext":
        scheduler.unpin(PINS)
    if wanted == "observe":
        return observe.Observe()
    if wanted == "external":
        return external.External()
    running = scheduler.running()
    if running and not scheduler.is_ours(running) and wanted == "auto":
        return external.External(reason=f"the kernel runs the sched_ext scheduler {running}")
    facilities, obstacles = look(config)
    if not facilities.levers():
        reason = "; ".join(obstacles)
        if wanted == "stock":
            raise errors.PreconditionError("ENFORCER_UNAVAILABLE", f"enforcement.enforcer: stock cannot work: {reason}")
        return observe.Observe(reason=reason)
    enforcer = _stock(config, facilities=facilities, clock=clock, reason="; ".join(obstacles))
    return _sched_ext(config, fallback=enforcer, clock=clock) if wanted == "sched_ext" else enforcer


def restore(config: configs.AgentConfig, *, clock: clocks.Clock) -> int:
    """Put everything on the node back as it was before the agent; returns how many pods carried something of ours.

    For after a crash; the agent must not be running.

    Raises:
        ConflictError: `AGENT_RUNNING`.
        PreconditionError: `NO_CPU_CONTROLLER`.
    """
    facilities, _ = look(config)
    enforcer = _stock(config, facilities=facilities, clock=clock, reason="")
    try:
        held = len(enforcer.holds())
        enforcer.withdraw_all()
    finally:
        enforcer.close()
    return held


def look(config: configs.AgentConfig) -> tuple[stock.Facilities, tuple[str, ...]]:
    """Return what the node allows to a stock enforcer, and what stands in the way of the rest, for people."""
    obstacles = []
    try:
        hierarchy = hierarchies.find(config.node.cgroup_root)
    except errors.PreconditionError as error:
        writable = False
        obstacles.append(error.message)
    else:
        writable = os.access(hierarchy.root / "cgroup.procs", os.W_OK)
        if not writable:
            obstacles.append(f"{hierarchy.root} cannot be written: no weights")
    nice = threads.supported() and _has_capability(_CAP_SYS_NICE)
    if not nice:
        obstacles.append("no CAP_SYS_NICE: no slices and nice values")
    default_slice_ns = threads.default_slice_ns()
    if nice and not default_slice_ns:
        obstacles.append("the kernel is older than 6.12: no slices")
    return stock.Facilities(weights=writable, nice=nice, default_slice_ns=default_slice_ns), tuple(obstacles)


def _sched_ext(
    config: configs.AgentConfig, *, fallback: base.Enforcer, clock: clocks.Clock
) -> sched_ext_enforcer.SchedExt:
    """Return our own scheduler's enforcer, which puts it into the kernel."""
    if not sched_ext_enforcer.bandwidth_operations():
        raise errors.PreconditionError(
            "ENFORCER_UNAVAILABLE",
            "enforcement.enforcer: sched_ext needs Linux 6.17 or later: before, pods' CPU limits would not hold",
        )
    settings = config.enforcement
    try:
        return sched_ext_enforcer.SchedExt(
            load=lambda: scheduler.Scheduler(
                slice_ns=settings.default_slice_us * 1000, pins=PINS if settings.sched_ext_pinned else None
            ),
            hierarchy=hierarchies.find(config.node.cgroup_root),
            fallback=fallback,
            clock=clock,
        )
    except errors.DomainError as error:
        raise errors.PreconditionError(
            "ENFORCER_UNAVAILABLE", f"enforcement.enforcer: sched_ext cannot work: {error.message}"
        ) from error


def _stock(
    config: configs.AgentConfig, *, facilities: stock.Facilities, clock: clocks.Clock, reason: str
) -> stock.Stock:
    proc = str(config.node.proc_root)
    return stock.Stock(
        hierarchy=hierarchies.find(config.node.cgroup_root),
        proc_root=proc,
        records=originals.Originals(config.path(pathlib.Path("originals.sqlite3")), boot_id=procfs.boot_id(proc)),
        facilities=facilities,
        clock=clock,
        reason=reason,
    )


def _has_capability(number: int) -> bool:
    """Tell whether this process has a capability now (proc_pid_status(5), CapEff)."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
