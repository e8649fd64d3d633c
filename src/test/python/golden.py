"""Writes the golden files of src/test/resources/golden with PyTorch; run by `mvn -Pgolden generate-test-resources
[-Dgolden.python=/usr/bin/python3]`.

Usage: golden.py FOLDER

Each case is a problem in our descriptor's words, which PyTorch alone turns into numbers: sizes, outputs, and gradients
by autograd. The manifest names each case: its number, the operation, whether the data are integers, the descriptor.
Arithmetic is in float64 and rounded to float32 once, so the files are right to half a unit in the last place.
Needs numpy and PyTorch (Debian: python3-torch); the same version gives the same bytes.
"""

import pathlib
import re
import sys

import numpy
import torch
import torch.nn.functional as functional

# Descriptors of the transposed convolution; a convolution is given by its adjoint's.
TRANSPOSED = [
    "ic1_oc1_i2x2_k2x2_s2x2",
    "n2_ic3_oc2_i5_k3_s2_p1_op1",
    "n2_ic6_oc4_g2_i4_k3_s3_d2_p2_op1",
    "ic2_oc3_i5_k2_s2_d3_p1_op2",
    "n2_ic3_oc5_i3x4_k3x2_s2x3_p1x0_op1x2",
    "ic4_oc6_g2_i4x3_k2x3_s3x2_d2x1_p1x2_op2x0",
    "ic6_oc3_g3_i3x5_k3x4_s2x1_d1x2_p2x3",
    "n2_ic4_oc8_g4_i3x4_k4x3_s2x2_p1x1_op0x1",
    "ic3_oc2_i4x3_k3x3_s2x3_p2x0_e0x1_op1x0",
    "ic2_oc3_i3x4_k3x2_s2x2_p-1x1_e1x-2",
    "ic2_oc3_i2x3x2_k2x3x2_s1x2x3_d3x1x2_p1x2x0_op2x1x0",
    "n2_ic4_oc2_g2_i3x2x2_k3x2x3_s2x1x2_p1x0x1_op1x0x1",
]
CONVOLUTION = [
    "n2_ic4_oc3_i4_k3_s2_p1_op1",
    "ic4_oc2_g2_i3x5_k3x2_s2x1_d1x3_p1x2",
    "n2_ic3_oc3_g3_i4x3_k2x4_s3x2_p0x1_op2x1",
    "ic3_oc2_i2x3x3_k3x2x2_s2x1x2_d1x2x1_p1x1x0_op1x0x0",
]


def read(descriptor):
    """Returns the fields of a descriptor, each spatial one with a value for each axis."""
    fields = {}
    for part in descriptor.split("_"):
        name, values = re.fullmatch(r"([a-z]+)(-?\d+(?:x-?\d+)*)", part).groups()
        fields[name] = [int(value) for value in values.split("x")]
    rank = len(fields["k"])
    for name, usual in (("n", [1]), ("g", [1]), ("s", [1] * rank), ("d", [1] * rank), ("p", [0] * rank), ("op", [0] * rank)):
        fields.setdefault(name, usual)
    fields.setdefault("e", fields["p"])
    return fields


def values(random, integers, *shape):
    """Returns float64 values that float32 can hold."""
    if integers:
        drawn = random.integers(-4, 5, shape).astype(numpy.float64)
    else:
        drawn = random.uniform(-1, 1, shape).astype(numpy.float32).astype(numpy.float64)
    return torch.tensor(drawn, requires_grad=True)


def transposed(fields, x, weight, bias):
    """Computes the transposed convolution; padding that PyTorch does not know is cut off, or added, afterwards."""
    rank = len(fields["k"])
    operation = getattr(functional, f"conv_transpose{rank}d")
    settings = dict(stride=fields["s"], output_padding=fields["op"], groups=fields["g"][0], dilation=fields["d"])
    if fields["p"] == fields["e"] and min(fields["p"]) >= 0:
        return operation(x, weight, bias, padding=fields["p"], **settings)
    y = operation(x, weight, None, **settings)
    pads = [-pad for pair in zip(fields["e"], fields["p"]) for pad in pair][::-1]
    return functional.pad(y, pads) + bias.reshape(1, -1, *[1] * rank)


def convolution(fields, x, weight, bias):
    """Computes the convolution to which the problem belongs."""
    operation = getattr(functional, f"conv{len(fields['k'])}d")
    return operation(x, weight, bias, fields["s"], fields["p"], fields["d"], fields["g"][0])


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.npy"):
        old.unlink()
    cases = [("transposed", descriptor) for descriptor in TRANSPOSED]
    cases += [("convolution", descriptor) for descriptor in CONVOLUTION]
    manifest = []
    for number, (operation, descriptor) in enumerate(cases):
        integers = number % 2 == 0
        fields = read(descriptor)
        random = numpy.random.default_rng(number)
        batch, inputs, outputs, groups = (fields[name][0] for name in ("n", "ic", "oc", "g"))
        weight = values(random, integers, inputs, outputs // groups, *fields["k"])
        if operation == "transposed":
            x = values(random, integers, batch, inputs, *fields["i"])
            bias = values(random, integers, outputs)
            y = transposed(fields, x, weight, bias)
        else:
            # What a convolution reads has the size that its adjoint writes: PyTorch says which.
            small = torch.zeros(batch, inputs, *fields["i"], dtype=torch.float64)
            size = transposed(fields, small, weight, torch.zeros(outputs, dtype=torch.float64)).shape
            x = values(random, integers, *size)
            bias = values(random, integers, inputs)
            y = convolution(fields, x, weight, bias)
        gradient = values(random, integers, *y.shape)
        y.backward(gradient)
        tensors = {
            "input": x,
            "weight": weight,
            "bias": bias,
            "output": y,
            "output-gradient": gradient,
            "input-gradient": x.grad,
            "weight-gradient": weight.grad,
            "bias-gradient": bias.grad,
        }
        for name, tensor in tensors.items():
            array = numpy.ascontiguousarray(tensor.detach().numpy().astype(numpy.float32))
            numpy.save(folder / f"{number:02d}-{name}.npy", array)
        manifest.append(f"{number:02d} {operation} {'integers' if integers else 'reals'} {descriptor}\n")
    (folder / "manifest.txt").write_text("".join(manifest))
    print(f"{len(manifest)} cases by PyTorch {torch.__version__} in {folder}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
