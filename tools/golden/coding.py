"""Coding lengths of one set and of mixtures, rate reduction, and KL between Gaussian mixtures: values and gradients by autograd.

Rows are normalised inside, except for the two mixtures of the KL. λ = d/(m ε²), α_j = λ m/tr Π_j.
"""
import functools

import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal, kl_divergence

from golden.common import single
from golden.mec import series

ORDER = 3  # of the series, where it is one


def log_det(c, order):
    """T(C)."""
    return torch.logdet(torch.eye(len(c), dtype=c.dtype) + c) if order == "exact" else series(c, order)


def length(z, eps2, order):
    """(nats for all m vectors, nats for each as m → ∞)"""
    m, d = z.shape
    t = log_det(d / (m * eps2) * z @ z.T, order)
    return (m + d) / 2 * t, t / 2


def component(p, z, weights, eps2):
    """C_j of the (m) weights of one component."""
    alpha = z.shape[1] / (eps2 * weights.sum())
    return alpha * torch.diag(weights.sqrt()) @ p @ z.T @ torch.diag(weights.sqrt())


def mixture(z, weights, eps2, order, form):
    """(coding length without the membership term, that term); a component without vectors costs nothing."""
    m, d = z.shape
    total, term = 0, 0
    for w in weights.T:
        size = w.sum()
        if size == 0:
            continue
        factor = (size + d) / 2 if form == "finite" else size / (2 * m)
        total = total + factor * log_det(component(z, z, w, eps2), order)
        term = term - size * torch.log(size / m) / (1 if form == "finite" else m)
    return total, term


def pair_loss(p, z, weights, eps2, order, form):
    m, d = z.shape
    loss = 0
    for w in weights.T:
        size = w.sum()
        if size == 0:
            continue
        share = (size + d) / (m + d) if form == "finite" else size / m
        loss = loss - share * log_det(component(p, z, w, eps2), order) / (d / eps2)  # α_j tr Π_j = d/ε²
    return loss


def estimates(f, g):
    """The four of gaussian_mixture_kl.h from lists of (weight, mean, variance), by torch.distributions."""
    normal = lambda part: Independent(Normal(part[1], part[2].sqrt()), 1)
    kl = lambda a, b: kl_divergence(normal(a), normal(b))
    overlap = lambda a, b: Independent(Normal(b[1], (a[2] + b[2]).sqrt()), 1).log_prob(a[1])
    lse = lambda parts, term: torch.logsumexp(torch.stack([torch.log(b[0]) + term(b) for b in parts]), 0)
    out = {"variational": 0, "product": 0, "lower": 0, "upper": 0}
    for a in f:
        near_f, near_g = (lse(parts, lambda b: -kl(a, b)) for parts in (f, g))
        over_f, over_g = (lse(parts, lambda b: overlap(a, b)) for parts in (f, g))
        entropy = normal(a).entropy()
        out["variational"] += a[0] * (near_f - near_g)
        out["product"] += a[0] * (over_f - over_g)
        out["lower"] += a[0] * (near_f - over_g - entropy)
        out["upper"] += a[0] * (over_f - near_g + entropy)
    return out


def sets(inputs, eps2, dtype):
    """{name: (function of p and z, which of the two carry gradients)} for everything about sets of vectors."""
    soft = torch.tensor(inputs["soft"], dtype=dtype)
    hard = F.one_hot(torch.tensor(inputs["labels"]).long(), soft.shape[1]).to(dtype)
    answers = {}
    for order in ("exact", ORDER):
        kind = "exact" if order == "exact" else "series"
        answers[f"length_{kind}"] = lambda p, z, order=order: length(z, eps2, order)[0]
        for name, weights in (("soft", soft), ("hard", hard)):
            for form in ("finite", "limit"):
                answers[f"mixture_{name}_{form}_{kind}"] = (
                    lambda p, z, w=weights, o=order, f=form: sum(mixture(z, w, eps2, o, f)))
                answers[f"pair_{name}_{form}_{kind}"] = (
                    lambda p, z, w=weights, o=order, f=form: pair_loss(p, z, w, eps2, o, f))
            answers[f"reduction_{name}_{kind}"] = (
                lambda p, z, w=weights, o=order: length(z, eps2, o)[1] - mixture(z, w, eps2, o, "limit")[0])
    return answers


def kernel_density(inputs, bandwidth, dtype):
    weights, means, variances = (torch.tensor(inputs[f"g_{part}"], dtype=dtype) for part in ("weights", "means", "variances"))
    g = list(zip(weights, means, variances))

    def value(p, z, estimate):
        m, spread = len(z), torch.full_like(z[0], bandwidth)
        return estimates([(torch.tensor(1 / m, dtype=dtype), row, spread) for row in z], g)[estimate]
    return {f"density_{name}": functools.partial(value, estimate=name) for name in ("variational", "product", "lower", "upper")}


def evaluate(inputs, eps2, bandwidth, dtype):
    results = {}
    for name, function in {**sets(inputs, eps2, dtype), **kernel_density(inputs, bandwidth, dtype)}.items():
        p, z = (torch.tensor(inputs[part], dtype=dtype, requires_grad=True) for part in ("p", "z"))
        value = function(F.normalize(p), F.normalize(z))
        value.backward()
        results[name] = value
        results[f"{name}.grad_z"] = z.grad
        if p.grad is not None:
            results[f"{name}.grad_p"] = p.grad
    return results


def make_sets(golden, few_rows):
    rng = golden.random()
    small, large, k = int(rng.integers(4, 7)), int(rng.integers(8, 11)), 3
    m, d = (small, large) if few_rows else (large, small)
    eps2, bandwidth = float(single(d * rng.uniform(1.1, 2))), float(single(rng.uniform(0.05, 0.2)))
    z = rng.normal(size=(m, d))
    soft = rng.dirichlet([0.7] * k, size=m)
    labels = rng.choice([0, 2], size=m).astype("int32")  # component 1 has no vectors
    labels[:2] = 0, 2
    inputs = {"p": single(0.7 * z + 0.5 * rng.normal(size=(m, d))), "z": single(z), "soft": single(soft), "labels": labels,
              "g_weights": single(rng.dirichlet([2] * k)), "g_means": single(0.5 * rng.normal(size=(k, d))),
              "g_variances": single(rng.uniform(0.05, 0.4, size=(k, d)))}
    golden.parameter(m=m, d=d, k=k, eps2=repr(eps2), bandwidth=repr(bandwidth), order=ORDER)
    for name, value in inputs.items():
        golden.given(name, value)
    exact, near = (evaluate(inputs, eps2, bandwidth, dtype) for dtype in (torch.float64, torch.float32))
    for name, value in exact.items():
        golden.result(name, value, near[name])


def make_mixtures(golden):
    """Two mixtures with three and two components."""
    rng = golden.random()
    d, mixtures = int(rng.integers(3, 6)), {}
    golden.parameter(d=d)
    for name, k in (("f", 3), ("g", 2)):
        parts = [single(rng.dirichlet([2] * k)), single(rng.normal(size=(k, d))), single(rng.uniform(0.2, 2, size=(k, d)))]
        for part, value in zip(("weights", "means", "variances"), parts):
            golden.given(f"{name}_{part}", value)
        weights, means, variances = (torch.tensor(value, dtype=torch.float64) for value in parts)
        mixtures[name] = list(zip(weights / weights.sum(), means, variances))
    for name, value in estimates(mixtures["f"], mixtures["g"]).items():
        golden.result(name, value)


CASES = {"coding_m_below_d": functools.partial(make_sets, few_rows=True),
         "coding_m_above_d": functools.partial(make_sets, few_rows=False),
         "mixture_kl": make_mixtures}
