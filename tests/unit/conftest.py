"""The unit tier: a slow machine fails no test, so nothing here measures how fast hypothesis makes its examples."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
