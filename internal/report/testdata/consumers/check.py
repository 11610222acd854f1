"""Reads the golden junit.xml files with junitparser, which
EnricoMi/publish-unit-test-result-action is built on. Usage: check.py DIRECTORY
"""

import os
import sys

from junitparser import Error, Failure, JUnitXml, Skipped

# Per golden file: cases, failures (leaks), errors (could not tell) and skipped (likely).
WANT = {
    "pass": (2, 0, 0, 0), "fail": (4, 3, 0, 0), "inconclusive": (1, 0, 1, 0), "hostile": (3, 2, 1, 0), "many": (77, 68, 0, 8),
}

bad = 0
for name, want in WANT.items():
    suites = list(JUnitXml.fromfile(os.path.join(sys.argv[1], name + ".xml")))
    said = tuple(sum(getattr(s, k) for s in suites) for k in ("tests", "failures", "errors", "skipped"))
    cases = [c for s in suites for c in s]
    results = [r for c in cases for r in c.result]
    counted = (len(cases), *(sum(isinstance(r, kind) for r in results) for kind in (Failure, Error, Skipped)))
    if said != want or counted != want:
        bad += 1
        print(f"junitparser: {name}.xml: says {said}, holds {counted}, want {want}")
print(f"{len(WANT) - bad} passed, {bad} failed")
sys.exit(1 if bad else 0)
