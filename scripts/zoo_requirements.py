"""Print what a bundle says it needs, for pip: what has to be installed where it is used, and nothing else.

python scripts/zoo_requirements.py bundles/vs_cochlea_seg > requirements.txt
"""

import sys
from pathlib import Path

from tanq_monai.deploy.zoo.requirements import read_metadata, required_packages

if __name__ == "__main__":
    for package, version in required_packages(read_metadata(Path(sys.argv[1]))).items():
        print(f"{package}>={version}")
