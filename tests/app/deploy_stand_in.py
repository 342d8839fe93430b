"""As much of MONAI Deploy's interface (4.0.0, `monai.deploy.core`) as our application uses, without Holoscan.

It holds to the documented contract: an operator states its ports in `setup`, may receive and send by no other names,
and flows join an output to an input. The real one runs in `benchmarks/monai_deploy.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class ConditionType:
    """Of a port."""

    NONE = "none"


class Port:
    """A named input or output; without a condition an operator waits until something came in."""

    waits = True

    def condition(self, condition: str) -> None:
        """Set when the operator may run."""
        self.waits = condition != ConditionType.NONE


class OperatorSpec:
    """The ports of an operator."""

    def __init__(self) -> None:
        self.inputs: dict[str, Port] = {}
        self.outputs: dict[str, Port] = {}

    def input(self, name: str) -> Port:
        """State an input."""
        return self.inputs.setdefault(name, Port())

    def output(self, name: str) -> Port:
        """State an output."""
        return self.outputs.setdefault(name, Port())


class Fragment:
    """What operators belong to."""


class Operator:
    """Its ports are asked for when it is made."""

    def __init__(self, fragment: Fragment, *conditions: Any, name: str = "") -> None:
        assert isinstance(fragment, Fragment)
        self.name, self.conditions, self.spec = name, conditions, OperatorSpec()
        self.setup(self.spec)

    def setup(self, spec: OperatorSpec) -> None:
        """State the ports."""

    def once(self, received: dict[str, Any]) -> dict[str, Any]:
        """Compute once: inputs by name -> outputs by name."""
        sent: dict[str, Any] = {}
        assert received.keys() <= self.spec.inputs.keys()
        assert all(name in received for name, port in self.spec.inputs.items() if port.waits)

        def receive(name: str) -> Any:
            assert name in self.spec.inputs
            return received.get(name)

        def emit(value: Any, name: str) -> None:
            assert name in self.spec.outputs
            sent[name] = value

        self.compute(SimpleNamespace(receive=receive), SimpleNamespace(emit=emit), None)
        return sent


class CountCondition:
    """So many times."""

    def __init__(self, fragment: Fragment, count: int) -> None:
        assert isinstance(fragment, Fragment)
        self.count = count


class Application(Fragment):
    """Operators in a row."""

    def __init__(self, argv: list[str]) -> None:
        self.argv, self.flows = argv, []

    @staticmethod
    def init_app_context(argv: list[str]) -> SimpleNamespace:
        """Paths by `-i`, `-o`, `-m`, else by the environment, else Deploy's own names."""
        given = dict(zip(argv[1::2], argv[2::2], strict=True))
        names = {"input": "input", "output": "output", "model": "models"}
        paths = {
            f"{name}_path": given.get(f"-{name[0]}", os.environ.get(f"HOLOSCAN_{name.upper()}_PATH", usual))
            for name, usual in names.items()
        }
        return SimpleNamespace(**paths)

    def add_flow(self, upstream: Operator, downstream: Operator, ports: set[tuple[str, str]]) -> None:
        """Join outputs to inputs."""
        for output, into in ports:
            assert output in upstream.spec.outputs
            assert into in downstream.spec.inputs
        self.flows.append((upstream, downstream, ports))

    def run(self) -> None:
        """Compose, then run each operator once, in the order of the flows."""
        self.compose()
        sent: dict[tuple[Operator, str], Any] = {}
        order = list(dict.fromkeys(operator for flow in self.flows for operator in flow[:2]))
        for operator in order:
            received = {
                into: sent[upstream, output]
                for upstream, downstream, ports in self.flows
                for output, into in ports
                if downstream is operator
            }
            sent |= {(operator, name): value for name, value in operator.once(received).items()}


def modules() -> dict[str, SimpleNamespace]:
    """For `sys.modules`, by name."""
    core = SimpleNamespace(
        Application=Application,
        ConditionType=ConditionType,
        Fragment=Fragment,
        Operator=Operator,
        OperatorSpec=OperatorSpec,
    )
    conditions = SimpleNamespace(CountCondition=CountCondition)
    deploy = SimpleNamespace(core=core, conditions=conditions, __path__=[str(Path(__file__).parent)])
    return {"monai.deploy": deploy, "monai.deploy.core": core, "monai.deploy.conditions": conditions}
