"""The API does what its description says, and nothing that is sent to it makes it fail."""

from __future__ import annotations

import pytest
from web_support import Page

from logboom.web.api import OPERATIONS, openapi

NAMES = sorted(set(OPERATIONS) - {"stream"})


def test_the_description_has_every_operation(page: Page) -> None:
    described = page.get("openapi.json")
    assert set(described["paths"]) == {f"/api/{name}" for name in OPERATIONS}
    assert described["openapi"].startswith("3.1")


@pytest.mark.filterwarnings("ignore")
def test_answers_are_as_described(page: Page) -> None:
    """Values that nobody thought of, in every parameter: the answer is described, and never a 500."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_dict(openapi())
    quick = settings(
        max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    for name in NAMES:
        operation = schema[f"/api/{name}"]["GET"]

        @quick
        @given(case=operation.as_strategy())
        def run(case) -> None:
            response = case.call(base_url=page.base.rstrip("/"), cookies=dict(page.http.cookies))
            assert response.status_code != 500
            case.operation.validate_response(response)

        run()
