"""The products of tools/bench/matmul_bench.cpp in PyTorch: median and interquartile range in microseconds.

    python3 tools/compare/matmul.py [THREADS]
"""

import sys

import torch

from torch_timing import timed

SECONDS = 0.5


def quartiles(call):
    times = [1e3 * time for time in timed(call, SECONDS)]
    return times[len(times) // 4], times[len(times) // 2], times[len(times) * 3 // 4]


def matrix(rows, columns, transposed):
    return torch.rand(columns, rows).t() if transposed else torch.rand(rows, columns)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    torch.set_grad_enabled(False)
    batch = 128
    for name, rows, columns, inner, transpose_a, transpose_b, epilogue in [
        ("forward 784-512 bias_relu", batch, 512, 784, False, True, "bias_relu"),
        ("forward 512-512 bias_relu", batch, 512, 512, False, True, "bias_relu"),
        ("forward 512-10 bias", batch, 10, 512, False, True, "bias"),
        ("dx 10-512 relu_backward", batch, 512, 10, False, False, "relu_backward"),
        ("dx 512-512 relu_backward", batch, 512, 512, False, False, "relu_backward"),
        ("dw 784-512", 512, 784, batch, True, False, "none"),
        ("dw 512-512", 512, 512, batch, True, False, "none"),
        ("dw 512-10 reduce_a", 10, 512, batch, True, False, "reduce_a"),
    ]:
        a, b = matrix(rows, inner, transpose_a), matrix(inner, columns, transpose_b)
        bias, forward, c = torch.rand(columns), torch.rand(rows, columns) - 0.5, torch.empty(rows, columns)

        def product():
            torch.mm(a, b, out=c)

        def step():
            """What a PyTorch layer and its autograd do: the same results as ours, in its own kernels."""
            if epilogue in ("bias", "bias_relu"):
                y = torch.addmm(bias, a, b)
                return torch.relu(y) if epilogue == "bias_relu" else y
            if epilogue == "relu_backward":
                dx = torch.ops.aten.threshold_backward(torch.mm(a, b), forward, 0)
                return dx, dx.sum(0)
            if epilogue == "reduce_a":
                return torch.mm(a, b), a.sum(1)
            return torch.mm(a, b)

        low, median, high = quartiles(step)
        print(f"{name:28} {median:9.1f} us  [{low:.1f} .. {high:.1f}]  product alone {quartiles(product)[1]:.1f} us")


main()
