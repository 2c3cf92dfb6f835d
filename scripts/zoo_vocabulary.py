"""Write `tanq_monai/deploy/zoo/vocabulary.json`: what the configs of the bundles say, and so what `audit` lets pass.

    python scripts/zoo_vocabulary.py

Run it after a change of a config, and read the difference: it is what a published bundle may then do.
"""

from monai.bundle import ConfigParser

from tanq_monai.deploy.zoo.vocabulary import FILE, collect, to_json
from tanq_monai.files import replacing
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES

if __name__ == "__main__":
    files = [path for name in BUNDLE_NAMES for path in sorted((BUNDLES / name / "configs").rglob("*.yaml"))]
    configs = [ConfigParser.load_config_file(str(path)) for path in files]
    with replacing(FILE) as temporary:
        temporary.write_text(to_json(collect(configs)), encoding="utf-8")
