"""Runs official SDKs against the gateway, with nothing but base URL and key changed, and writes what each saw: a line of JSON a case.

The last argument is a list of {name, file, model, tag}; each file of sdks has a class that makes the SDK's five calls.
"""

import importlib
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

BASE, KEY = os.environ["GATEWAY"], os.environ["KEY"]
writing = threading.Lock()


def report(**line):
    with writing:
        print(json.dumps(line), flush=True)


def status(error):
    """The status in the error, wherever the SDK has it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # boto's
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    for name in ("status_code", "code"):
        if isinstance(getattr(error, name, None), int):
            return getattr(error, name)
    return status(error.__cause__) if error.__cause__ else 0


def attempt(call, prompt):
    try:
        return call(prompt)
    except Exception as error:  # whatever an SDK throws is what is asked about
        return {"error": type(error).__name__, "status": status(error), "message": str(error)}


def run(name, file, model, tag):
    make = importlib.import_module(f"sdks.{file}").Client
    own, stranger = make(BASE, KEY, model, name), make(BASE, "wrong", model, name)
    cases = {
        "text": (own.text, " upstream: same=1"),
        "stream": (own.stream, " upstream: same=1 ping=1"),
        "tool": (own.tool, ""),
        "toolStream": (own.tool_stream, ""),
        "schema": (own.schema, ""),
        "refused": (own.text, " upstream: status=400"),
        "cut": (own.stream, " upstream: cut=2"),
        "stranger": (stranger.text, ""),
    }
    for kind, (call, script) in cases.items():
        mark = f"{tag}-{kind}"
        report(name=name, model=model, case=kind, mark=mark, **attempt(call, f"mark:{mark}{script}"))


if __name__ == "__main__":
    runs = json.loads(sys.argv[-1])
    for file in {r["file"] for r in runs}:  # before there are threads
        importlib.import_module(f"sdks.{file}")
    with ThreadPoolExecutor(max_workers=8) as pool:
        for done in [pool.submit(run, **r) for r in runs]:
            done.result()
