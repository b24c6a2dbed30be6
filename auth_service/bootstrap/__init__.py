"""Wires auth_service together. The only room that knows every other one."""

from auth_service.bootstrap.serving import Service, running
from auth_service.bootstrap.verbs import VERBS

__all__ = ["VERBS", "Service", "running"]
