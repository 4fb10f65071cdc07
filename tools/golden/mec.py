"""The coding length of a pair, its loss and both gradients, by PyTorch's autograd.

Rows are normalised inside. λ = d/(m ε²), C = λ P Zᵀ, loss = −T(C)/(λm), coding length = μ T(C) with μ = (m + d)/2.
The spectral norm is that of λ P Zᵀ, also where the loss takes (C + Cᵀ)/2.
"""
import functools

import torch
import torch.nn.functional as F

from golden.common import single


def series(c, order):
    """Σ_{k≤n} (−1)^{k+1}/k tr Cᵏ, written as in the official code."""
    power, total = torch.eye(len(c), dtype=c.dtype), torch.zeros_like(c)
    for k in range(1, order + 1):
        power = power @ c
        total = total + power * ((-1) ** (k + 1) / k)
    return torch.trace(total)


def coding(p, z, lamda, order, symmetrize=False):
    """(C, T(C)) of two sets of raw rows; `order` is a number or "exact"."""
    c = lamda * F.normalize(p) @ F.normalize(z).T
    taken = (c + c.T) / 2 if symmetrize else c
    if order == "exact":
        return c, torch.logdet(torch.eye(len(c), dtype=c.dtype) + taken)
    return c, series(taken, order)


def evaluate(p, z, eps2, order, symmetrize, dtype):
    p, z = (torch.tensor(rows, dtype=dtype, requires_grad=True) for rows in (p, z))
    m, d = p.shape
    lamda = d / (m * eps2)
    c, t = coding(p, z, lamda, order, symmetrize)
    loss = -t / (lamda * m)
    loss.backward()
    return {"loss": loss, "coding_length": (m + d) / 2 * t, "spectral_norm": torch.linalg.matrix_norm(c, 2),
            "grad_p": p.grad, "grad_z": z.grad}


def make(golden, few_rows, order, symmetrize):
    rng = golden.random()
    small, large = int(rng.integers(4, 9)), int(rng.integers(10, 18))
    m, d = (small, large) if few_rows else (large, small)
    # ε² ≥ d keeps det(I + C) positive; the series is defined for any norm, so there it may pass 1.
    eps2 = float(single(d * (rng.uniform(1.1, 3) if order == "exact" else rng.uniform(0.3, 2))))
    z = rng.normal(size=(m, d))
    p = (0.7 * z + 0.5 * rng.normal(size=(m, d))) * rng.uniform(0.5, 2, size=(m, 1))  # rows of different lengths
    p, z = single(p), single(z)
    golden.parameter(m=m, d=d, eps2=repr(eps2), order=order, symmetrize=int(symmetrize))
    golden.given("p", p)
    golden.given("z", z)
    exact, near = (evaluate(p, z, eps2, order, symmetrize, dtype) for dtype in (torch.float64, torch.float32))
    for name, value in exact.items():
        golden.result(name, value, near[name])


def cases():
    for few_rows in (True, False):
        for order in (1, 2, 3, 4, "exact", "2_symmetrized", "4_symmetrized"):
            number, _, symmetrized = str(order).partition("_")
            name = f"mec_{'m_below_d' if few_rows else 'm_above_d'}_order_{order}".replace("order_exact", "exact")
            yield name, functools.partial(make, few_rows=few_rows, symmetrize=bool(symmetrized),
                                          order="exact" if number == "exact" else int(number))


CASES = dict(cases())
