"""What the checks of style share: main(), and self_test() for their cases."""
import sys
import tempfile
from pathlib import Path

def self_test(check, cases):
    """Each case: (files to plant, text that the one finding must contain, or None for a clean tree)."""
    for files, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            findings = check(Path(folder))
        good = not findings if expected is None else len(findings) == 1 and expected in findings[0]
        if not good:
            sys.exit(f"self-test: expected {expected!r} from {sorted(files)}, got {findings}")
    print(f"self-test: {len(cases)} planted trees judged as they should be")


def main(check, cases):
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, cases)
    findings = check(Path(__file__).resolve().parent.parent)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
