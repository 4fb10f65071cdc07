"""The losses of the other methods for one pair of embeddings, with both gradients, by PyTorch's autograd.

Each is written as in the method's own code, so that it shares no algebra with ours: github.com/facebookresearch/simsiam,
/moco, /swav, /barlowtwins, /vicreg (with the paper's sum over both variances), github.com/google-research/simclr, and
equation 2 of BYOL, of which one direction counts twice as in the mean over pairs.
"""
import functools

import torch
import torch.nn.functional as F

from golden.common import single


def simsiam(p, z):
    return -F.cosine_similarity(p, z).mean()


def byol(p, z):
    return 2 * (F.normalize(p) - F.normalize(z)).pow(2).sum(1).mean()


def simclr(p, z, temperature):
    m = len(p)
    both = F.normalize(torch.cat([p, z]))
    similarity = (both @ both.T / temperature).masked_fill(torch.eye(2 * m, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(similarity, torch.arange(2 * m).roll(m))


def moco_v2(p, z, temperature, queue):
    q, k = F.normalize(p), F.normalize(z)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(p), dtype=torch.long))


def off_diagonal(x):
    n = len(x)
    return x.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten()


def barlow_twins(p, z, lamda, scale):
    norm = torch.nn.BatchNorm1d(p.shape[1], affine=False).to(p.dtype)
    c = norm(p).T @ norm(z) / len(p)
    return scale * (torch.diagonal(c).add(-1).pow(2).sum() + lamda * off_diagonal(c).pow(2).sum())


def vicreg(p, z, invariance, variance, covariance):
    loss = invariance * F.mse_loss(p, z)
    for x in (p, z):
        x = x - x.mean(dim=0)
        loss = loss + variance * torch.relu(1 - torch.sqrt(x.var(dim=0) + 1e-4)).mean()
        loss = loss + covariance * off_diagonal(x.T @ x / (len(x) - 1)).pow(2).sum() / x.shape[1]
    return loss


def sinkhorn(scores, epsilon, rounds):
    q = torch.exp(scores / epsilon).T
    q /= q.sum()
    k, b = q.shape
    for _ in range(rounds):
        q /= q.sum(dim=1, keepdim=True) * k
        q /= q.sum(dim=0, keepdim=True) * b
    return (q / q.sum(dim=0, keepdim=True)).T


def swav_views(scores, temperature, epsilon, rounds, queues=None):
    """Scores of all views; the first two assign, each with the scores of a queue before its own."""
    m, loss = len(scores[0]), 0
    for a in range(2):
        with torch.no_grad():
            out = scores[a] if queues is None else torch.cat([queues[a], scores[a]])
            q = sinkhorn(out, epsilon, rounds)[-m:]
        others = [s for v, s in enumerate(scores) if v != a]
        loss = loss - sum((q * F.log_softmax(s / temperature, dim=1)).sum(1).mean() for s in others) / len(others)
    return loss / 2


def swav(p, z, **settings):
    return swav_views([p, z], **settings)


METHODS = {
    "simsiam": (simsiam, {}), "byol": (byol, {}), "simclr": (simclr, {"temperature": 0.25}),
    "moco-v2": (moco_v2, {"temperature": 0.125}), "barlow-twins": (barlow_twins, {"lambda": 0.03125, "scale": 0.5}),
    "vicreg": (vicreg, {"invariance": 25.0, "variance": 24.0, "covariance": 1.5}),
    "swav": (swav, {"temperature": 0.125, "epsilon": 0.0625, "rounds": 3}),
}


def make(golden, method, few_rows):
    rng = golden.random()
    small, large = int(rng.integers(4, 9)), int(rng.integers(10, 18))
    m, d = (small, large) if few_rows else (large, small)
    z = rng.normal(size=(m, d))
    p = (0.7 * z + 0.5 * rng.normal(size=(m, d))) * rng.uniform(0.5, 1.5, size=(1, d))  # features of different deviations
    if method == "swav":
        p, z = p / 4, z / 4  # scores are cosines
    loss, settings = METHODS[method]
    golden.parameter(m=m, d=d, **settings)
    given = {"p": single(p), "z": single(z)}
    if method == "moco-v2":
        queue = rng.normal(size=(int(rng.integers(5, 20)), d))
        given["queue"] = single(queue / np_norm(queue))
    for name, value in given.items():
        golden.given(name, value)
    arguments = {"lamda" if name == "lambda" else name: value for name, value in settings.items()}

    def run(dtype):
        now = {name: torch.tensor(value, dtype=dtype, requires_grad=name in "pz") for name, value in given.items()}
        value = loss(**now, **arguments)
        value.backward()
        return {"loss": value, "grad_p": now["p"].grad, "grad_z": now["z"].grad}

    exact, near = run(torch.float64), run(torch.float32)
    for name, value in exact.items():
        golden.result(name, value, near[name])


def np_norm(rows):
    return (rows**2).sum(axis=1, keepdims=True) ** 0.5


def make_swav_views(golden):
    """Four views and two queues: multi-crop, assignments together with what the queues hold."""
    rng = golden.random()
    m, d, prototypes, views = int(rng.integers(4, 7)), int(rng.integers(5, 9)), int(rng.integers(6, 11)), 4
    settings = METHODS["swav"][1]
    golden.parameter(m=m, d=d, K=prototypes, views=views, **settings)
    z = single(rng.normal(size=(1, m, d)) + 0.4 * rng.normal(size=(views, m, d)))
    weight, queues = single(rng.normal(size=(prototypes, d))), single(rng.normal(size=(2, 3 * m, d)))
    golden.given("projections", z)
    golden.given("prototypes", weight)
    golden.given("queues", queues)

    def run(dtype, with_queue):
        directions = F.normalize(torch.tensor(weight, dtype=dtype))
        scores = [(F.normalize(torch.tensor(rows, dtype=dtype)) @ directions.T).requires_grad_() for rows in z]
        stored = [F.normalize(torch.tensor(rows, dtype=dtype)) @ directions.T for rows in queues]
        loss = swav_views(scores, queues=stored if with_queue else None, **settings)
        loss.backward()
        return {"loss": loss, "gradients": torch.stack([s.grad for s in scores])}

    for with_queue in (False, True):
        exact, near = run(torch.float64, with_queue), run(torch.float32, with_queue)
        for name, value in exact.items():
            golden.result(f"{'queue' if with_queue else 'plain'}.{name}", value, near[name])


CASES = {f"objective_{method}_{'m_below_d' if few_rows else 'm_above_d'}": functools.partial(make, method=method, few_rows=few_rows)
         for method in METHODS for few_rows in (True, False)}
CASES["objective_swav_views"] = make_swav_views
