"""What works in the background while the service serves."""

import random
from collections.abc import Mapping
from datetime import timedelta

from job_service.adapters.documents import actor_of, decode_event
from job_service.bootstrap.parts import Parts
from job_service.config import Settings
from job_service.entrypoints.expiry import Expiry
from job_service.entrypoints.loops import Follower, Forwarder, Releaser
from job_service.entrypoints.retention import Retention
from job_service.entrypoints.telling import Deliverer, Planner
from servicekit.identity import Follower as RevocationFollower
from servicekit.loops import Work


def works(settings: Settings, parts: Parts) -> Mapping[str, Work]:
    """All loops by their names."""
    revoked = RevocationFollower(
        parts.identity.watch_revocations,
        parts.revocations,
        parts.clock,
        settings.revocation_grace,
    )
    return {
        "revocations": revoked.run,
        **_scheduling(parts),
        **_telling(parts),
        **_upkeep(settings, parts),
    }


def _scheduling(parts: Parts) -> Mapping[str, Work]:
    """To and from the scheduler."""
    writer, reader, policy = parts.storage.writer, parts.reader, parts.policy
    forwarder = Forwarder(
        parts.storage.log,
        writer,
        parts.scheduler,
        decode_event,
        actor_of,
        reader,
        policy,
        parts.clock,
    )
    return {
        "forward": forwarder.run,
        "follow": Follower(writer, parts.scheduler, reader, policy.retry).run,
        "release": Releaser(writer, reader, policy, parts.clock).run,
        "catalogue": parts.catalogue.run,
    }


def _telling(parts: Parts) -> Mapping[str, Work]:
    """To the webhooks."""
    writer, reader, clock = parts.storage.writer, parts.reader, parts.clock
    planner = Planner(parts.storage.log, writer, reader, decode_event, parts.watch.write, clock)
    chance = random.SystemRandom().random
    deliverer = Deliverer(writer, reader, parts.sender, parts.secrets, clock, chance)
    return {"webhooks": planner.run, "deliver": deliverer.run}


def _upkeep(settings: Settings, parts: Parts) -> Mapping[str, Work]:
    """Of what nobody takes care of."""
    writer, reader, clock = parts.storage.writer, parts.reader, parts.clock
    expiry = Expiry(writer, reader, clock, timedelta(hours=settings.approval_patience_hours))
    retention = Retention(
        parts.storage.log,
        writer,
        reader,
        clock,
        keep_jobs=timedelta(days=settings.keep_jobs_days),
        keep_events=timedelta(days=settings.keep_events_days),
    )
    return {"expire": expiry.run, "retain": retention.run}
