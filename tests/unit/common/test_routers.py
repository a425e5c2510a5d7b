"""Every router of a service knows its caller before it reads a body."""

import ast

from tests.support.product_code import method, modules

SERVICES = ("services/chat/src", "services/cockpit/src", "services/knowledge/src")


def test_services_make_routers_that_guard_their_routes() -> None:
    made = {
        (module.name, method(node))
        for module in modules(*SERVICES)
        for node in module.nodes
        if isinstance(node, ast.Call) and method(node) in ("APIRouter", "create_api_router")
    }
    assert len(made) >= 10
    assert {name for _, name in made} == {"create_api_router"}
