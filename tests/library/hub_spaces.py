"""The writing half of the hub on this machine: creating a Space, its variables and hardware, and commits of files.

It speaks what huggingface_hub sends for a Space: /api/whoami-v2, /api/repos/create, preupload, Git LFS with the basic
transfer, and commits as lines of JSON. Files named by LARGE go through LFS, all others come in the commit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

SPACE = r"(?P<space>[^/]+/[^/]+)"
LARGE = (".bin", ".mlmodel", ".png", ".npz")
USER, ORGANIZATION = "someone", "a-lab"
PATHS = {
    "who": r"/api/whoami-v2",
    "create": r"/api/repos/create",
    "card": r"/api/validate-yaml",
    "info": rf"/api/spaces/{SPACE}",
    "tree": rf"/api/spaces/{SPACE}/tree/main",
    "variables": rf"/api/spaces/{SPACE}/variables",
    "hardware": rf"/api/spaces/{SPACE}/hardware",
    "preupload": rf"/api/spaces/{SPACE}/preupload/main",
    "batch": rf"/spaces/{SPACE}\.git/info/lfs/objects/batch",
    "put": r"/lfs/(?P<digest>[0-9a-f]{64})",
    "commit": rf"/api/spaces/{SPACE}/commit/main",
}
METHODS = {"who": "GET", "info": "GET", "tree": "GET", "put": "PUT"}
Answer = tuple[int, Any]


@dataclass
class Space:
    """One Space as the hub has it."""

    created: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str | None = None
    commits: int = 0


class Spaces:
    """All Spaces by name. `role` is that of every token; `refusals` holds (status, sentence) by a key of PATHS."""

    def __init__(self) -> None:
        self.all: dict[str, Space] = {}
        self.role = "write"
        self.refusals: dict[str, tuple[int, str]] = {}
        self._large: dict[str, bytes] = {}

    def knows(self, method: str, path: str) -> bool:
        return self._route(method, path) is not None

    def answer(self, method: str, path: str, body: bytes, hub: str) -> Answer:
        route = self._route(method, path)
        assert route is not None
        name, match = route
        if name in self.refusals:
            status, sentence = self.refusals[name]
            return status, {"error": sentence}
        return getattr(self, f"_{name}")(body, hub, **match.groupdict())

    def _route(self, method: str, path: str) -> tuple[str, re.Match[str]] | None:
        for name, pattern in PATHS.items():
            if method == METHODS.get(name, "POST") and (match := re.fullmatch(pattern, path)):
                return name, match
        return None

    def _who(self, body: bytes, hub: str) -> Answer:
        return 200, {
            "name": USER,
            "orgs": [{"name": ORGANIZATION}],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": self.role}},
        }

    def _create(self, body: bytes, hub: str) -> Answer:
        wanted = json.loads(body)
        name = f"{wanted['organization'] or USER}/{wanted['name']}"
        if name in self.all:
            return 409, {"error": "You already created this space repo"}
        variables = {one["key"]: one["value"] for one in wanted.get("variables", [])}
        self.all[name] = Space(wanted, {".gitattributes": b"*.bin lfs"}, variables, wanted.get("hardware"))
        return 200, {"url": f"{hub}/spaces/{name}", "name": name}

    def _card(self, body: bytes, hub: str) -> Answer:
        return 200, {"errors": [], "warnings": []}

    def _info(self, body: bytes, hub: str, space: str) -> Answer:
        if space not in self.all:
            return 404, {"error": "Repository not found"}
        return 200, {"id": space, "sha": "0" * 40, "private": False, "tags": []}

    def _tree(self, body: bytes, hub: str, space: str) -> Answer:
        files = self.all[space].files
        return 200, [
            {"type": "file", "path": name, "size": len(data), "oid": self._oid(space, name)}
            for name, data in files.items()
        ]

    def _variables(self, body: bytes, hub: str, space: str) -> Answer:
        wanted = json.loads(body)
        self.all[space].variables[wanted["key"]] = wanted["value"]
        return 200, {key: {"value": value} for key, value in self.all[space].variables.items()}

    def _hardware(self, body: bytes, hub: str, space: str) -> Answer:
        self.all[space].hardware = json.loads(body)["flavor"]
        return 200, {"stage": "RUNNING", "hardware": {"current": None, "requested": self.all[space].hardware}}

    def _preupload(self, body: bytes, hub: str, space: str) -> Answer:
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": self._oid(space, one["path"]),
            }
            for one in json.loads(body)["files"]
        ]
        return 200, {"files": files}

    def _oid(self, space: str, name: str) -> str | None:
        data = self.all[space].files.get(name)
        if data is None:
            return None
        if name.endswith(LARGE):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

    def _batch(self, body: bytes, hub: str, space: str) -> Answer:
        objects = [
            {"oid": one["oid"], "size": one["size"], "actions": {"upload": {"href": f"{hub}/lfs/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}

    def _put(self, body: bytes, hub: str, digest: str) -> Answer:
        assert hashlib.sha256(body).hexdigest() == digest
        self._large[digest] = body
        return 200, {}

    def _commit(self, body: bytes, hub: str, space: str) -> Answer:
        kept = self.all[space]
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                kept.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                kept.files[value["path"]] = self._large[value["oid"]]
            elif entry["key"] == "deletedFile":
                del kept.files[value["path"]]
        kept.commits += 1
        commit = f"{kept.commits:040d}"
        return 200, {"commitUrl": f"{hub}/spaces/{space}/commit/{commit}", "commitOid": commit}
