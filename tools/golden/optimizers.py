"""torch.optim.AdamW over a few steps with changing rates, two groups, and gradients of very different sizes."""
import torch

from golden.common import single

STEPS = 6


def make_adamw(golden):
    draw = golden.random()
    rows, columns = (int(draw.integers(3, 9)) for _ in range(2))
    weight, bias = single(draw.normal(size=(rows, columns))), single(draw.normal(size=rows))
    sizes = 10.0 ** draw.uniform(-4, 1, size=(rows, columns))
    gradients = [(single(draw.normal(size=(rows, columns)) * sizes), single(draw.normal(size=rows))) for _ in range(STEPS)]
    rates = single(draw.uniform(0.001, 0.1, size=STEPS))
    beta1, beta2, eps, decay = 0.8, 0.99, 1e-6, 0.1

    def run(dtype):
        parameters = [torch.tensor(value, dtype=dtype, requires_grad=True) for value in (weight, bias)]
        optimizer = torch.optim.AdamW([{"params": parameters[:1], "weight_decay": decay}, {"params": parameters[1:]}],
                                      betas=(beta1, beta2), eps=eps, weight_decay=0.0)
        for rate, step in zip(rates, gradients):
            for group in optimizer.param_groups:
                group["lr"] = float(rate)
            for parameter, gradient in zip(parameters, step):
                parameter.grad = torch.tensor(gradient, dtype=dtype)
            optimizer.step()
        return parameters

    golden.parameter(steps=STEPS, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)
    golden.given("weight", weight)
    golden.given("bias", bias)
    golden.given("rates", rates)
    for number, (of_weight, of_bias) in enumerate(gradients):
        golden.given(f"grad.{number}.weight", of_weight)
        golden.given(f"grad.{number}.bias", of_bias)
    for name, exact, coarse in zip(("weight", "bias"), run(torch.float64), run(torch.float32)):
        golden.result(f"end.{name}", exact, coarse)


CASES = {"adamw": make_adamw}
