"""Wires job_service together. The only room that knows every other one."""

from job_service.bootstrap.serving import SERVICES, Service, running
from job_service.bootstrap.verbs import VERBS

__all__ = ["SERVICES", "VERBS", "Service", "running"]
