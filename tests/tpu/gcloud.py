"""Of `gcloud` what a TPU VM's scripts use, against the emulators of storage and of Cloud TPU.

    gcloud storage cp SOURCE ... TARGET
    gcloud secrets versions access VERSION --secret=NAME --project=PROJECT
    gcloud compute tpus queued-resources delete NAME --zone=ZONE --project=PROJECT --force --quiet --async

Secrets are files of the folder that the variable SECRETS names: PROJECT.NAME.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote


def main(line: list[str]) -> None:
    words = [word for word in line if not word.startswith("-")]
    options = dict(word.partition("=")[::2] for word in line if word.startswith("-"))
    match words:
        case ["storage", "cp", *sources, target] if sources and not options:
            for source in sources:
                copy(source, target)
        case ["secrets", "versions", "access", "latest"] if options.keys() == {"--secret", "--project"}:
            secret = Path(os.environ["SECRETS"], f"{options['--project']}.{options['--secret']}")
            if not secret.is_file():
                sys.exit("ERROR: (gcloud.secrets.versions.access) NOT_FOUND: Secret not found or has no versions.")
            sys.stdout.write(secret.read_text())
        case ["compute", "tpus", "queued-resources", "delete", name] if {"--zone", "--project"} <= options.keys():
            delete(f"projects/{options['--project']}/locations/{options['--zone']}/queuedResources/{name}", options)
        case _:
            sys.exit(f"ERROR: the fake gcloud does not know: gcloud {' '.join(line)}")


def copy(source: str, target: str) -> None:
    """Copy one file; a target that ends with a slash, or is a folder here, is the folder to copy it to."""
    content = ask("GET", source) if source.startswith("gs://") else Path(source).read_bytes()
    if target.endswith("/") or Path(target).is_dir():
        target = f"{target.rstrip('/')}/{Path(source).name}"
    if target.startswith("gs://"):
        ask("POST", target, content)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(content)


def ask(method: str, url: str, body: bytes | None = None) -> bytes:
    """Read or write an object by Google's JSON API."""
    bucket, _, name = url.removeprefix("gs://").partition("/")
    path, name = f"storage/v1/b/{bucket}/o", quote(name, "")
    path = f"{path}/{name}?alt=media" if body is None else f"upload/{path}?uploadType=media&name={name}"
    request = urllib.request.Request(f"{os.environ['STORAGE_EMULATOR_HOST']}/{path}", body, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"ERROR: (gcloud.storage.cp) {url}: HTTPError {error.code}: {error.read().decode(errors='replace')}")


def delete(name: str, options: dict[str, str]) -> None:
    from google.api_core.exceptions import GoogleAPICallError

    from tests.tpu.client import connect

    try:
        operation = connect(os.environ["TPU_EMULATOR_HOST"]).delete_queued_resource(
            {"name": name, "force": "--force" in options}
        )
        if "--async" not in options:
            operation.result(timeout=600)
    except GoogleAPICallError as error:
        sys.exit(f"ERROR: (gcloud.compute.tpus.queued-resources.delete) {error.message}")


if __name__ == "__main__":
    main(sys.argv[1:])
