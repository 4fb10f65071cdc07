"""Runs test_gpu as several programs at once: a sticky device error fails all later cases of its own program alone."""
import re

from gpu_jobs import Job, first_error, run

# One program for each group, and one for all other cases. The first pattern that matches a case's
# name decides its group.
GROUPS = (
    ("tuned engines", r"engines that were timed"),
    ("convolutions", r"^cuda kernel conv2d"),
    ("products", r"^cuda kernel (matmul|lu|cholesky|tsne|matrix|power|symmetrize|coding)|TF32"),
    ("images", r"^cuda kernel (batch_norm|max_pool|global_avg)|views are"),
    ("kernels", r"^cuda kernel "),
    ("same bits", r"same work twice"),
    ("methods, f32", r"^cuda method \S+ f32"),
    ("methods, bf16", r"^cuda method "),
)
AT_ONCE, ALONE = 6, 20  # programs and seconds of cases that are tried again


def case_names(program, env, limit):
    """The cases of test_gpu in their order, without those for sanitizers. None, and why, where it does not run."""
    job = run("list", [program, "--list-test-cases", "--no-colors=true"], limit, env)
    names = [line for line in job.text().splitlines() if line and not line.startswith(("[doctest]", "====", "cuda small "))]
    return (names, "") if not job.why and names else (None, job.why or first_error(job.text()))


def grouped(names):
    groups = {}
    for name in names:
        group = next((group for group, pattern in GROUPS if re.search(pattern, name)), "others")
        groups.setdefault(group, []).append(name)
    return groups


def command(program, names):
    # doctest takes patterns between commas: a comma of a name is any character.
    return [program, "--no-colors=true", "--duration=true", "--test-case=" + ",".join(n.replace(",", "?") for n in names)]


def explain(block):
    """One line on a failed case: the error, and the compared values where it says only that they differ."""
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if "ERROR" in line:
            text = re.sub(r"^\S+?:\d+: ", "", line)
            more = [m.split(":=")[-1] for m in lines[i + 1:i + 4] if m.startswith(("values:", "logged:"))]
            return " ".join([text] + more) if "NOT correct" in text else text
    return lines[0] if lines else "no output"


def verdicts(text, names):
    """From a program's output: the cases that passed, {name: why} of those that failed, and those that it does not mention.

    A case has a block that names it, with the errors if there are any, and then its time.
    """
    blocks = {}
    for block in re.split(r"^TEST CASE:  ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        blocks.setdefault(name.strip(), re.split(r"^={20,}$", rest, flags=re.MULTILINE)[0])
    ended = set(re.findall(r"^\d+\.\d+ s: (.*)$", text, flags=re.MULTILINE))
    failed = {name: explain(blocks[name]) for name in names if "ERROR" in blocks.get(name, "")}
    passed = [name for name in names if name in ended and name not in failed]
    return passed, failed, [name for name in names if name not in failed and name not in passed]


def settle(report, job, names):
    """Counts what a program's output shows, and returns the cases to be tried again by themselves."""
    report.log("details.txt", f"{job.name}, {job.seconds:.1f} s", job.text() + (f"\n{job.why}" if job.why else ""))
    passed, failed, silent = verdicts(job.text(), names)
    if passed:
        report.count("tests", job.name, times=len(passed))
    if job.why and not failed and silent:  # it hung or crashed in the first case that has no verdict
        failed[silent.pop(0)] = job.why
    for name in list(failed)[:1]:
        report.count("tests", name, failed[name])
    return list(failed)[1:] + silent


def run_tests(report, program, env, clock, limit):
    """Runs all groups at once, then the cases that came after a failure, each by itself; at most `limit` seconds."""
    end = clock.spent() + clock.limit(limit)
    names, why = case_names(program, env, clock.limit(60))
    if names is None:
        return report.count("tests", "test_gpu", why)
    groups = grouped(names)
    jobs = [(Job(group, command(program, cases), env), cases) for group, cases in groups.items()]
    groups_end = clock.spent() + 0.7 * (end - clock.spent())  # the rest is for what is tried again
    again = []
    for job, cases in jobs:
        job.wait(max(0.0, groups_end - clock.spent()))
        again += settle(report, job, cases)
    for i in range(0, len(again), AT_ONCE):
        alone = [(Job(name + ", alone", command(program, [name]), env), name) for name in again[i:i + AT_ONCE]]
        for job, name in alone:
            job.wait(max(0.0, min(clock.limit(ALONE), end - clock.spent())))
            report.log("details.txt", f"{job.name}, {job.seconds:.1f} s", job.text())
            passed, failed, _ = verdicts(job.text(), [name])
            report.count("tests", name, "" if passed and not job.why else failed.get(name) or job.why or "no verdict")
    return None
