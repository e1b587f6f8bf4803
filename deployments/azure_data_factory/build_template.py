"""Joins the files of this folder to one template that `az` deploys: `make adf`.

base_template.json is what a factory stands on: identity, container, role, alert. Each file of the four folders becomes
a resource of its own, and what differs from one factory to the next a parameter.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "arm_template.json"
API = "2018-06-01"
TYPES = {  # what a folder's files are to Azure
    "linkedService": "Microsoft.DataFactory/factories/linkedservices",
    "dataset": "Microsoft.DataFactory/factories/datasets",
    "pipeline": "Microsoft.DataFactory/factories/pipelines",
    "trigger": "Microsoft.DataFactory/factories/triggers",
}
REFERENCES = {
    "LinkedServiceReference": "linkedService",
    "DatasetReference": "dataset",
    "PipelineReference": "pipeline",
}
ENDPOINT = "format('https://{0}.blob.{1}/', parameters('storageAccount'), environment().suffixes.storage)"
PARAMETERS = {  # the values under these names are the user's own
    "serviceEndpoint": f"[{ENDPOINT}]",
    "container": "[parameters('container')]",
}


def read_resources(folder: Path) -> dict[str, dict[str, Any]]:
    """What the files of the four folders hold, by their names: `pipeline/pl_week`."""
    files = [file for kind in TYPES for file in sorted((folder / kind).glob("*.json"))]
    return {f"{file.parent.name}/{file.stem}": json.loads(file.read_text("utf-8")) for file in files}


def find_references(value: Any) -> Iterator[str]:
    """The resources that a resource names anywhere within."""
    if isinstance(value, dict):
        if value.get("type") in REFERENCES:
            yield f"{REFERENCES[value['type']]}/{value['referenceName']}"
        for each in value.values():
            yield from find_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from find_references(each)


def adapt_values(value: Any, key: str = "") -> Any:
    """The same with the user's values as parameters, and no text of ours that Azure would take for an expression."""
    if key in PARAMETERS:
        return PARAMETERS[key]
    if isinstance(value, dict):
        return {name: adapt_values(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [adapt_values(each) for each in value]
    return f"[{value}" if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


def build_template(base: dict[str, Any], resources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The base, and each resource after those that it names."""
    built = []
    for place, resource in resources.items():
        kind, _, name = place.partition("/")
        named = [reference.split("/") for reference in sorted(set(find_references(resource["properties"])))]
        built.append(
            {
                "type": TYPES[kind],
                "apiVersion": API,
                "name": f"[format('{{0}}/{name}', parameters('factoryName'))]",
                "dependsOn": [
                    "[resourceId('Microsoft.DataFactory/factories', parameters('factoryName'))]",
                    *(f"[resourceId('{TYPES[of]}', parameters('factoryName'), '{each}')]" for of, each in named),
                ],
                "properties": adapt_values(resource["properties"]),
            }
        )
    return {**base, "resources": [*base["resources"], *built]}


def write_template(folder: Path) -> str:
    """The template of a folder, as it stands in its file."""
    base = json.loads((folder / "base_template.json").read_text("utf-8"))
    return json.dumps(build_template(base, read_resources(folder)), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TEMPLATE.write_text(write_template(HERE), "utf-8")
