"""What a process without the desk serves: its health and its metrics, and nothing else."""

from fastapi import FastAPI

from reporter.desk import problems
from reporter.desk.api import service
from reporter.desk.services import Services


def create_probe(services: Services) -> FastAPI:
    """An application of `/healthz`, `/readyz` and `/metrics`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    app.include_router(service.probes(services))
    return app
