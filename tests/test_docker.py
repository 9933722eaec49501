"""The files of docker/: read by the tools that check such files, and locked as far as a container can be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from tailrace.app.cli import WHERE
from tailrace.app.settings import load

DOCKER = Path(__file__).parents[1] / "docker"
BIN = Path(sys.executable).parent
FULL, SMALL = DOCKER / "compose.yaml", DOCKER / "compose-small.yaml"
BOTH = pytest.mark.parametrize("path", [FULL, SMALL], ids=lambda path: path.stem)
OURS = {"topics", "up", "worker", "rows", "tailrace"}


def services(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["services"]
    return found


def said_of_plant(path: Path) -> str:
    """The lines of a plant file that stand in the head of a compose file."""
    head = path.read_text().partition("# 1.")[2].partition("# 2.")[0]
    return "\n".join(line[7:] for line in head.splitlines() if line.startswith("#      "))


def checked(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_passes_its_linter() -> None:
    checked(BIN / "hadolint", "--no-color", DOCKER / "Dockerfile")


@BOTH
def test_a_compose_file_fits_the_schema_of_compose(path: Path) -> None:
    checked(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


@BOTH
def test_docker_reads_a_compose_file(path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("`docker compose` is not here")
    checked(docker, "compose", "--file", path, "config", "--quiet")


def test_the_whole_has_every_part() -> None:
    whole = {"kafka", "sqlserver", "broker", "grafana", "up", "worker", "rows", "topics", "database"}
    assert services(FULL).keys() == whole
    assert services(SMALL).keys() == {"tailrace", "broker", "grafana"}


@BOTH
def test_every_service_is_locked(path: Path) -> None:
    for name, service in services(path).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d*:\d+|mssql", service["user"]), f"{name} runs as {service['user']}"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "build" in service or re.search(r":[\w.-]+$", service["image"]), f"{name}: an image without a tag"


@BOTH
def test_every_service_says_whether_it_is_well(path: Path) -> None:
    found = services(path)
    awaited = {
        name: condition["condition"]
        for each in found.values()
        for name, condition in each.get("depends_on", {}).items()
    }
    assert awaited.keys() <= found.keys()
    for name, service in found.items():
        if awaited.get(name) == "service_completed_successfully":
            assert service["healthcheck"] == {"disable": True} and service["restart"] == "on-failure", name
        else:
            own = "build" in service and "command" not in service  # the image's: it looks at what `up` owns
            assert own or service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


@BOTH
def test_a_secret_is_a_file_that_whoever_reads_it_was_given(path: Path) -> None:
    declared = yaml.safe_load(path.read_text())["secrets"]
    assert {name: each["file"] for name, each in declared.items()} == {name: f"./secrets/{name}" for name in declared}
    given: set[str] = set()
    for name, service in services(path).items():
        mounted = [DOCKER / each.partition(":")[0] for each in service.get("volumes", []) if each.startswith("./")]
        files = [file for each in mounted for file in each.rglob("*.yaml")]
        text = yaml.safe_dump(service) + "".join(file.read_text() for file in files)
        text += said_of_plant(path) if name == "up" else ""
        assert set(re.findall(r"/run/secrets/(\w+)", text)) == set(service.get("secrets", [])), name
        given |= set(service.get("secrets", []))
        for variable, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", variable) or value.startswith("/run/secrets/"), variable
    assert given == declared.keys()
    head = path.read_text().partition("x-locked")[0]
    assert all(name.removesuffix("_password") in head for name in declared), "the head says how they are made"


def test_secrets_stay_out_of_the_repository() -> None:
    listed = subprocess.run(
        ["git", "check-ignore", "docker/secrets/x"], cwd=DOCKER.parent, capture_output=True, check=False
    )
    if listed.returncode > 1:
        pytest.skip("this is no git checkout")
    assert listed.returncode == 0


@BOTH
def test_what_is_mounted_is_there(path: Path) -> None:
    volumes = yaml.safe_load(path.read_text())["volumes"]
    used = [each.partition(":")[0] for service in services(path).values() for each in service.get("volumes", [])]
    assert all(
        each in volumes or each == "./plant.yaml" or (each.startswith("./") and (DOCKER / each).exists())
        for each in used
    )
    assert volumes.keys() <= set(used)


def test_tailrace_is_told_to_do_what_it_can() -> None:
    for path in (FULL, SMALL):
        for name in OURS & services(path).keys():
            command = services(path)[name].get("command", ["up"])
            assert command[0] in WHERE, name


def test_the_plant_file_that_is_asked_for_is_one(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(f"site: {{name: Test}}\n{said_of_plant(FULL)}\n")
    plant = load(tmp_path / "plant.yaml")
    assert plant.log is not None and plant.read_models is not None
    assert (plant.log.servers, plant.log.replication) == (["kafka:9092"], 1)
    assert services(FULL)["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{plant.log.servers[0]}"
    url, made = sa.make_url(plant.read_models.url), (DOCKER / "database.sql").read_text()
    assert url.host in services(FULL) and url.port == 1433
    assert f"CREATE DATABASE {url.database} " in made and f"CREATE LOGIN {url.username} " in made


def test_grafana_reads_as_who_only_reads() -> None:
    text = (DOCKER / "database.sql").read_text()
    (source,) = yaml.safe_load((DOCKER / "grafana/provisioning/mssql/datasources/tailrace.yaml").read_text())[
        "datasources"
    ]
    roles = re.findall(r"ALTER ROLE (\w+) ADD MEMBER (\w+);", text)
    assert [role for role, member in roles if member == source["user"]] == ["tailrace_reader"]
    assert f"CREATE DATABASE {source['jsonData']['database']} " in text
    assert source["url"].partition(":")[0] in services(FULL)
    assert set(re.findall(r"\$\((\w+)\)", text)) <= set(re.findall(r"\w+_PASSWORD", str(services(FULL)["database"])))


def test_the_small_grafana_can_read_the_folder_of_tailrace() -> None:
    grafana, ours = services(SMALL)["grafana"], services(SMALL)["tailrace"]
    assert grafana["user"].partition(":")[0] == ours["user"].partition(":")[0]
    (source,) = yaml.safe_load((DOCKER / "grafana/provisioning/sqlite/datasources/tailrace.yaml").read_text())[
        "datasources"
    ]
    assert source["jsonData"]["path"] == "/data/read.db" and "data:/data" in grafana["volumes"]
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].startswith(f"{source['type']}@")
