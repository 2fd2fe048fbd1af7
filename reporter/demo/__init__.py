"""The demo: a throw-away service, a small district, and one incident that plays itself over the bus."""

from reporter.demo.run import Demo
from reporter.demo.view import DemoView

__all__ = ["Demo", "DemoView"]
