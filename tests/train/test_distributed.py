import os
import socket

import pytest
import torch

from pipeline.train.distributed import local_device, start_process_group, stop_process_group


def test_without_cuda_the_device_is_the_cpu() -> None:
    expected = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    assert local_device() == expected


def test_start_joins_once_and_stop_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": 0, "WORLD_SIZE": 1}.items():
        monkeypatch.setitem(os.environ, name, str(value))
    start_process_group()
    start_process_group()
    assert torch.distributed.get_world_size() == 1
    stop_process_group()
    assert not torch.distributed.is_initialized()
    stop_process_group()
