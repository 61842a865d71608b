"""kubectl, and objects as it speaks of them: dictionaries, since Python has no YAML of its own."""

import codecs
import json
from dataclasses import dataclass
from pathlib import Path

from harness.processes import HarnessError

from .commands import output

NAMESPACE = "lastcall-bench"  # all experiments take place in it
NAME = "lastcall"  # of the Deployment and the Service in the manifests
SELECTOR = f"app.kubernetes.io/name={NAME}"
DEPLOYMENT = f"deployment/{NAME}"


@dataclass(frozen=True)
class Kubectl:
    binary: Path
    kubeconfig: Path
    namespace: str = NAMESPACE

    def argv(self, *arguments: str) -> list[str]:
        config = [f"--kubeconfig={self.kubeconfig}"]
        config += [f"--namespace={self.namespace}"] if self.namespace else []
        return [str(self.binary), *config, *arguments]

    def run(self, *arguments: str, seconds: float = 60, text: str | None = None) -> str:
        return output(self.argv(*arguments), seconds, text)

    def objects(self, *arguments: str, text: str | None = None) -> list[dict]:
        """What `-o json` prints: one object, a list of them, or several after each other."""
        return unlist(several(self.run(*arguments, "-o", "json", text=text)))

    def kustomize(self, folder: Path) -> list[dict]:
        manifests = output([str(self.binary), "kustomize", str(folder)])
        return self.objects("create", "--dry-run=client", "-f", "-", text=manifests)

    def apply(self, objects: list[dict], *arguments: str) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.run("apply", *arguments, "-f", "-", text=text)

    def delete(self, objects: list[dict]) -> None:
        """At once, and whatever of them there is."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        now = ("--ignore-not-found", "--grace-period=0", "--force", "--cascade=foreground")
        self.run("delete", *now, "--wait=false", "-f", "-", text=text)

    def pods(self, selector: str) -> list[dict]:
        return self.objects("get", "pods", "--selector", selector)

    def raw(self, path: str) -> str:
        return self.run("get", "--raw", path, seconds=10)

    def patch(self, kind: str, name: str, change: dict | list) -> None:
        how = "json" if isinstance(change, list) else "strategic"
        self.run("patch", kind, name, "--type", how, "--patch", json.dumps(change))


class Objects:
    """Objects of JSON that follow each other, as --watch prints them; a half one waits."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    def feed(self, chunk: bytes) -> list[dict]:
        text, found = (self._rest + self._decode(chunk)).lstrip(), []
        while text:
            try:
                value, end = self._decoder.raw_decode(text)
            except ValueError:
                break
            found.append(value)
            text = text[end:].lstrip()
        self._rest = text
        return found


def several(text: str) -> list[dict]:
    return Objects().feed(text.encode())


def unlist(objects: list[dict]) -> list[dict]:
    flat = []
    for each in objects:
        flat += each["items"] if each.get("kind", "").endswith("List") else [each]
    return flat


def find(objects: list[dict], kind: str, name: str = NAME) -> dict:
    for each in objects:
        if each["kind"] == kind and each["metadata"]["name"] == name:
            return each
    raise HarnessError(f"the manifests have no {kind} {name}")
