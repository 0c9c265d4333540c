"""The bad files that are well-formed but invalid: `BAD_MODELS` lists them by the rule that each violates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from vectors.encode import Table, codes, edge, ints, longs, requant, vectors, window
from vectors.good_models import pattern
from vectors.models import (
    Net,
    accumulators,
    add,
    arg_max,
    but,
    chain,
    concat,
    conv,
    dense,
    dwconv,
    l2_norm,
    layer_norm,
    linear,
    log_softmax,
    log_softmax_tflite,
    matmul,
    mean,
    pad,
    pool,
    requantize,
    requantize_sum,
    reshapes,
    resize,
    single,
    slice_of,
    softmax,
    softmax_tflite,
    squared_difference,
    tflite_add,
    transpose,
    transpose_conv,
)

BIG = (1 << 31) - 1


def referring_often() -> Table:
    """256 outputs and 16 test vectors, all of the same bytes: more of them than V12 allows."""
    model = chain("Reshape", size=1 << 16)
    model["outputs"] = model["outputs"] * 256
    given = Table("Codes", data=codes(*[0] * (1 << 16)))
    model["test_vectors"] = [Table("TestVector", inputs=[given], outputs=[given] * 256)] * 16
    return model


def sharing_inputs() -> Table:
    """64 concatenations that share the 256 entries of one vector: for each, a runtime needs memory of its own."""
    net = Net()
    x = net.input((1,))
    for _ in range(64):
        y = net.op(Table("Concat", axis=0), [x] * 256, (256,))
    net.output(y)
    model = net.model()
    for op in model["operators"]:
        op["inputs"] = model["operators"][0]["inputs"]
    return model


def sharing_a_text() -> Table:
    """4,096 tensors with one long name."""
    model = reshapes(tensors__1__name="y" * (1 << 16))
    model["tensors"] = model["tensors"] * 4096
    return model


def sharing_codes() -> Table:
    """100 test vectors that share the codes of one, for 256 outputs of one byte."""
    model = chain("Reshape", size=1)
    model["outputs"] = model["outputs"] * 256
    given = Table("Codes", data=codes(0))
    model["test_vectors"] = [Table("TestVector", inputs=[given], outputs=[given] * 256)] * 100
    return model


def inputs_sharing_a_name() -> Table:
    """256 inputs with one long name."""
    net = Net()
    name = np.full(4097, ord("x"), np.uint8)
    net.output(net.op(Table("Concat", axis=0), [net.input((1,), name=name) for _ in range(256)], (256,)))
    return net.model()


def sharing(model: Table, **fields: Any) -> Table:
    """256 outputs that share a tensor and what `fields` say of it: a host makes objects of each."""
    model["outputs"] = [edge(model["outputs"][0]["tensor"], **fields)] * 256
    return model


def two_writers() -> Table:
    model = reshapes(2, tensors__1__lifetime=(1, 3), outputs=[edge(1)], operators__1__output=1)
    del model["tensors"][2]
    return model


def unwritten_tensor(first: int) -> Table:
    model = reshapes(arena_size=48)
    model["tensors"].append(Table("Tensor", shape=ints(16), arena_offset=32, lifetime=(first, first)))
    return model


def constant_as_output() -> Table:
    model = reshapes(outputs=[edge(0)], tensors__0__lifetime=(0, 2))
    model["tensors"][1] = Table("Tensor", shape=ints(16), data=pattern(16))
    return model


def over(apart: int = 16, x: Any = (1, 4, 4, 4), weights: Any = (4, 1, 1, 4), y: Any = (1, 4, 4, 4), **w: Any) -> Table:
    """A Conv2D whose output, tensor 2, begins at 0 and its input `apart` bytes behind: with the defaults, valid."""
    changes = {key: w.pop(key) for key in [*w] if "__" in key}
    model = conv(x, weights, y, **w)
    model["operators"][0]["overlap"] = True
    model["tensors"][2]["arena_offset"] = 0
    return but(model, tensors__0__arena_offset=apart, arena_size=1024, **changes)


def unread_inputs_in_one_place() -> Table:
    """Which no operator writes, so none writes one in place of the other."""
    net = Net()
    net.input((16,))
    net.input((16,))
    net.output(net.op(Table("Clamp"), [net.input((16,))], (16,)))
    return but(net.model(), tensors__1__arena_offset=0)


def int16_input(**fields: Any) -> Table:
    return reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(**fields))


def sum_of_an_input() -> Table:
    """A RequantizeSum whose int32 numbers are an input of the model."""
    net = Net()
    given = requant((1 << 30,), (34,), addend=longs(1 << 33))
    options = Table("RequantizeSum", requant=given, b_multiplier=longs(1 << 20))
    net.output(net.op(options, [net.input((1, 2), dtype=1), net.input((1, 2))], (1, 2)))
    return net.model()


BAD_MODELS: dict[str, Callable[[], Table]] = {
    "v05_no_operators": lambda: reshapes(operators=None),
    "v05_no_shape": lambda: reshapes(tensors__0__shape=None),
    "v05_no_window": lambda: but(pool(), operators__0__options__window=None),
    "v05_no_requant": lambda: but(mean(), operators__0__options__requant=None),
    "v05_no_shift": lambda: but(mean(), operators__0__options__requant__shift=None),
    "v05_no_shift_of_an_input": lambda: but(int16_input(), inputs__0__requant__shift=None),
    "v05_no_options": lambda: reshapes(operators__0__options=None),
    "v08_version_0": lambda: reshapes(format_version=None),
    "v09_dtype_4": lambda: reshapes(tensors__0__dtype=4),
    "v09_rounding_2": lambda: mean(rounding=2),
    "v09_options_none": lambda: reshapes(operators__0__options_type=None),
    "v09_options_255": lambda: reshapes(operators__0__options_type=255),
    "v09_source_dtype_4": lambda: reshapes(inputs__0__source_dtype=4),
    "v09_quantize_rule_3": lambda: reshapes(inputs__0__quantize_rule=3),
    "v10_continuation_first": lambda: reshapes(name=b"\x80"),
    "v10_cut_short": lambda: reshapes(producer=b"caf\xc3"),
    "v10_no_continuation": lambda: reshapes(name=b"\xe2\x82A"),
    "v10_overlong": lambda: reshapes(tensors__0__name=b"\xc0\xaf"),
    "v10_overlong_of_3": lambda: reshapes(operators__0__name=b"\xe0\x80\xaf"),
    "v10_overlong_of_4": lambda: reshapes(name=b"\xf0\x80\x80\x80"),
    "v10_preprocessing": lambda: reshapes(preprocessing=b"# caf\xe9"),
    "v10_surrogate": lambda: reshapes(outputs__0__labels=[b"\xed\xa0\x80"] + ["x"] * 15),
    "v10_above_10ffff": lambda: reshapes(name=b"\xf4\x90\x80\x80"),
    "v11_no_inputs": lambda: single(Table("Reshape"), (1,), (1,), constants=[0]),
    "v11_no_outputs": lambda: reshapes(outputs=[], tensors__1__lifetime=(1, 1)),
    "v11_257_outputs": lambda: reshapes(outputs=[edge(1)] * 257),
    "v12_referring_often": referring_often,
    "v12_sharing_inputs": sharing_inputs,
    "v12_sharing_a_text": sharing_a_text,
    "v12_sharing_codes": sharing_codes,
    "v12_inputs_sharing_a_name": inputs_sharing_a_name,
    "v12_sharing_a_name": lambda: sharing(reshapes(tensors__1__name="y" * 4097)),
    "v12_sharing_labels": lambda: sharing(chain("Reshape", size=456), labels=["a"] * 456),
    "v12_sharing_scales": lambda: sharing(
        but(
            accumulators(),
            tensors__1__shape=ints(1025, 3),
            tensors__1__data=pattern(3075),
            tensors__2__shape=ints(1, 1025),
            arena_size=8192,
        ),
        scales=np.full(1025, 0.5, "<f4"),
    ),
    "v13_rank_0": lambda: but(chain("Reshape", size=1), tensors__0__shape=ints()),
    "v13_rank_7": lambda: reshapes(tensors__0__shape=ints(1, 1, 1, 1, 1, 1, 16)),
    "v13_length_0": lambda: reshapes(tensors__0__shape=ints(0)),
    "v13_negative_lengths": lambda: reshapes(tensors__0__shape=ints(-1, -16)),
    "v13_size_wraps_to_16": lambda: reshapes(tensors__0__shape=ints(17, 15790321, 16)),
    "v14_nan": lambda: reshapes(tensors__0__scale=float("nan")),
    "v14_infinite": lambda: reshapes(tensors__0__scale=float("inf")),
    "v14_negative": lambda: reshapes(tensors__0__scale=-0.5),
    "v15_neither": lambda: reshapes(tensors__0__lifetime=None),
    "v15_both": lambda: but(linear(), tensors__1__lifetime=(0, 1)),
    "v15_data_too_short": lambda: but(linear(), tensors__1__data=codes(1, 2, 3, 4, 5)),
    "v16_offset_not_aligned": lambda: but(chain("Reshape", size=8), tensors__1__arena_offset=24),
    "v16_past_the_end": lambda: reshapes(arena_size=31),
    "v16_end_wraps": lambda: reshapes(tensors__1__arena_offset=0xFFFFFFF0),
    "v17_no_such_tensor": lambda: reshapes(inputs=[edge(0), edge(99)]),
    "v17_constant": lambda: but(linear(), outputs=[edge(2), edge(1)]),
    "v18_input_twice": lambda: reshapes(inputs=[edge(0), edge(0)]),
    "v19_label_of_input": lambda: reshapes(inputs__0__labels=["x"] * 16),
    "v19_too_few_labels": lambda: reshapes(outputs__0__labels=["x"] * 15),
    "v20_nchw_of_rank_1": lambda: reshapes(inputs__0__source_layout=1),
    "v21_no_output": lambda: reshapes(test_vectors=vectors(([pattern(16)], []))),
    "v21_other_size": lambda: reshapes(test_vectors=vectors(([pattern(15)], [pattern(16)]))),
    "v22_no_such_input": lambda: but(concat(0, (4,), (4,), (8,)), operators__0__inputs=np.uint32([0, 1, 99])),
    "v22_constant_output": constant_as_output,
    "v23_two_inputs": lambda: reshapes(operators__0__inputs=np.uint32([0, 0])),
    "v23_linear_without_weights": lambda: but(linear(), operators__0__inputs=np.uint32([0])),
    "v23_concat_of_nothing": lambda: but(
        concat(0, (8,), (8,)), operators__0__inputs=np.uint32([]), tensors__0__lifetime=(0, 0)
    ),
    "v23_concat_of_257": lambda: but(concat(0, (1,), (257,)), operators__0__inputs=np.zeros(257, dtype="<u4")),
    "v24_two_writers": two_writers,
    "v24_input_is_written": lambda: reshapes(inputs=[edge(0), edge(1)]),
    "v24_nobody_writes": lambda: unwritten_tensor(1),
    "v24_first_after_the_end": lambda: unwritten_tensor(9),
    "v24_neither_input_nor_output": lambda: unwritten_tensor(0),
    "v25_reads_its_output": lambda: but(add(), operators__0__inputs=np.uint32([0, 2]), tensors__1__lifetime=(0, 0)),
    "v25_reads_what_comes_later": lambda: reshapes(3, operators__1__inputs=np.uint32([3]), tensors__1__lifetime=(1, 1)),
    "v26_too_early": lambda: reshapes(2, tensors__0__lifetime=(0, 0)),
    "v26_too_late": lambda: reshapes(2, tensors__0__lifetime=(0, 2)),
    "v26_output_ends_early": lambda: reshapes(tensors__1__lifetime=(1, 1)),
    "v26_only_outputs_live_on": lambda: reshapes(2, tensors__1__lifetime=(1, 3)),
    "v26_after_the_end": lambda: reshapes(2, tensors__0__lifetime=(0, 9)),
    "v26_last_0": lambda: reshapes(2, outputs=[edge(1)], tensors__1__lifetime=(1, 3), tensors__2__lifetime=(2, 0)),
    "v27_inputs_overlap": lambda: but(concat(0, (16,), (16,), (32,)), tensors__1__arena_offset=0),
    "v27_overlap_in_part": lambda: but(chain("Reshape", size=32), tensors__1__arena_offset=16),
    "v27_concat_in_place": lambda: but(concat(0, (16,), (16,)), tensors__1__arena_offset=0),
    "v27_in_place_of_an_output": lambda: reshapes(
        outputs=[edge(0), edge(1)], tensors__0__lifetime=(0, 2), tensors__1__arena_offset=0
    ),
    "v27_in_place_of_a_broadcast": lambda: but(add(b=(1, 1)), tensors__2__arena_offset=16),
    "v27_overlap_unmarked": lambda: over(operators__0__overlap=False),
    "v27_overlap_int32": lambda: over(
        weights=(1, 1, 1, 4),
        y=(1, 4, 4, 1),
        tensors__2__dtype=1,
        outputs__0__scales=np.ones(1, "<f4"),
        operators__0__options__requant=requant((1,), (0,)),
    ),
    "v27_unread_inputs_in_one_place": unread_inputs_in_one_place,
    "v27_overlap_groups": lambda: over(weights=(4, 1, 1, 2), operators__0__options__groups=2),
    "v27_overlap_first_image": lambda: over(x=(2, 4, 4, 4), y=(2, 2, 2, 4), apart=0, stride=(2, 2)),
    "v27_overlap_last_image": lambda: over(x=(2, 4, 4, 4), weights=(8, 1, 1, 4), y=(2, 4, 4, 8), apart=96),
    "v28_rank_of_x": lambda: conv(x=(1, 4, 4, 2, 1)),
    "v28_rank_of_weights": lambda: conv(weights=(3, 1, 1, 2, 1)),
    "v28_rank_of_y": lambda: conv(y=(1, 4, 4, 3, 1)),
    "v28_groups_0": lambda: conv(groups=0),
    "v28_groups_of_in_channels": lambda: conv(x=(1, 4, 4, 3), weights=(2, 1, 1, 1), y=(1, 4, 4, 2), groups=2),
    "v28_groups_of_out_channels": lambda: conv(weights=(3, 1, 1, 1), groups=2),
    "v28_in_channels": lambda: conv(weights=(3, 1, 1, 1)),
    "v28_out_channels": lambda: conv(weights=(4, 1, 1, 2)),
    "v28_filter_height": lambda: conv(weights=(3, 2, 1, 2)),
    "v28_filter_width": lambda: conv(weights=(3, 1, 2, 2)),
    "v29_rank_of_x": lambda: dwconv(x=(1, 4, 4, 2, 1)),
    "v29_rank_of_weights": lambda: dwconv(weights=(1, 1, 1, 4, 1)),
    "v29_rank_of_y": lambda: dwconv(y=(1, 4, 4, 4, 1)),
    "v29_no_multiple": lambda: dwconv(weights=(1, 1, 1, 3), y=(1, 4, 4, 3)),
    "v29_batch_of_weights": lambda: dwconv(weights=(2, 1, 1, 4)),
    "v29_out_channels": lambda: dwconv(weights=(1, 1, 1, 2)),
    "v29_filter_height": lambda: dwconv(weights=(1, 2, 1, 4)),
    "v29_filter_width": lambda: dwconv(weights=(1, 1, 2, 4)),
    "v30_rows": lambda: dense((2, 3), (2, 3), (1, 2)),
    "v30_rank_of_weights": lambda: dense((1, 3), (2, 3, 1), (1, 2)),
    "v30_rank_of_y": lambda: dense((1, 3), (2, 3), (1, 2, 1)),
    "v30_in_features": lambda: dense((1, 3), (2, 4), (1, 2)),
    "v30_out_features": lambda: dense((1, 3), (3, 3), (1, 2)),
    "v31_stride_0": lambda: conv(stride=(0, 1)),
    "v31_dilation_0": lambda: conv(dilation=(1, 0)),
    "v31_filter_0": lambda: pool(filter=(0, 2), y=(1, 3, 2, 2)),
    "v31_does_not_fit": lambda: conv(weights=(3, 3, 1, 2), filter=(3, 1), dilation=(2, 1), y=(1, 1, 4, 3)),
    "v31_does_not_fit_though_out_height_is_1": lambda: pool(x=(1, 1, 4, 2), y=(1, 1, 2, 2)),
    "v31_out_height": lambda: conv(y=(1, 5, 4, 3)),
    "v31_batch": lambda: conv(y=(2, 4, 4, 3)),
    "v31_padded_image_too_large": lambda: conv(
        (1, BIG, 1, 1), (1, 1, 1, 1), (1, BIG // 65535 + 1, 1, 1), stride=(65535, 1), padding=(0, 1, 0, 0)
    ),
    "v32_rank_of_x": lambda: pool(x=(1, 4, 4, 2, 1)),
    "v32_rank_of_y": lambda: pool(y=(1, 2, 2, 2, 1)),
    "v32_dilation_y": lambda: pool(y=(1, 1, 2, 2), dilation=(2, 1)),
    "v32_dilation_x": lambda: pool(y=(1, 2, 1, 2), dilation=(1, 2)),
    "v32_pad_top": lambda: pool(y=(1, 3, 2, 2), padding=(2, 0, 0, 0)),
    "v32_pad_bottom": lambda: pool(y=(1, 3, 2, 2), padding=(0, 2, 0, 0)),
    "v32_pad_left": lambda: pool(y=(1, 2, 3, 2), padding=(0, 0, 2, 0)),
    "v32_pad_right": lambda: pool(y=(1, 2, 3, 2), padding=(0, 0, 0, 2)),
    "v32_channels": lambda: pool(y=(1, 2, 2, 1)),
    "v32_too_many_positions": lambda: pool((1, 2049, 2048, 1), (1, 1, 1, 1), filter=(2049, 2048)),
    "v33_length_3": lambda: add(b=(1, 3)),
    "v33_rank_1": lambda: add(b=(4,)),
    "v33_rank_3": lambda: add(a=(1, 4, 1)),
    "v34_batch": lambda: mean(y=(2, 1, 1, 2)),
    "v34_height": lambda: mean(y=(1, 2, 1, 2)),
    "v34_width": lambda: mean(y=(1, 1, 2, 2)),
    "v34_channels": lambda: mean(y=(1, 1, 1, 1)),
    "v34_rank_of_x": lambda: mean(x=(1, 2, 2, 2, 1)),
    "v34_rank_of_y": lambda: mean(y=(1, 1, 1, 2, 1)),
    "v35_negative_before": lambda: pad(ints(0, -1), ints(0, 1)),
    "v35_negative_after": lambda: pad(ints(0, 1), ints(0, -1)),
    "v35_before_3_axes": lambda: pad(ints(0, 0, 0), ints(0, 0)),
    "v35_after_3_axes": lambda: pad(ints(0, 0), ints(0, 0, 0)),
    "v35_rank": lambda: pad(ints(0, 0), ints(0, 0), y=(1, 4, 1)),
    "v35_sum": lambda: pad(ints(0, 1), ints(0, 1), y=(1, 5)),
    "v36_axis": lambda: concat(2, (1, 4), (1, 4)),
    "v36_other_lengths": lambda: concat(1, (1, 4), (2, 4), (1, 8)),
    "v36_rank": lambda: concat(0, (4,), (4,), (8, 1)),
    "v36_sum": lambda: concat(0, (4,), (4,), (9,)),
    "v37_other_size": lambda: single(Table("Reshape"), (16,), (3, 5)),
    "v38_axis_twice": lambda: transpose(1, 1),
    "v38_axis_2": lambda: transpose(0, 2),
    "v38_three_axes": lambda: transpose(0, 1, 2),
    "v38_rank": lambda: transpose(0, 1, y=(2, 2, 1)),
    "v38_shape": lambda: transpose(1, 0, y=(4, 1)),
    "v39_requantize": lambda: requantize(y=(4, 4)),
    "v39_clamp": lambda: single(Table("Clamp"), (16,), (4, 4)),
    "v39_lut": lambda: single(Table("Lut", table=pattern(256)), (16,), (4, 4)),
    "v39_softmax": lambda: but(softmax(), tensors__1__shape=ints(4, 1)),
    "v40_zero_points": lambda: reshapes(tensors__1__zero_point=1),
    "v40_scales": lambda: but(pool(), tensors__0__scale=0.5, tensors__1__scale=0.25),
    "v41_weights_in_the_arena": lambda: single(Table("Linear", requant=requant()), (1, 3), (2, 3), (1, 2)),
    "v41_zero_point": lambda: but(linear(), tensors__1__zero_point=1),
    "v42_clamp": lambda: single(Table("Clamp", output_min=5, output_max=4), (4,), (4,)),
    "v42_requant": lambda: linear(output_min=127, output_max=-128),
    "v43_multipliers_of_2_for_3": lambda: linear(y=3, multiplier=(1, 1), shift=(0, 0)),
    "v43_shifts": lambda: linear(multiplier=(1, 1), shift=(0,)),
    "v43_per_channel_mean": lambda: mean(multiplier=(1, 1), shift=(0, 0)),
    "v44_bias_of_mean": lambda: mean(bias=ints(1)),
    "v44_one_bias": lambda: linear(bias=ints(1)),
    "v45_double": lambda: linear(addend=longs(0), rounding=1),
    "v45_with_bias": lambda: linear(addend=longs(0), bias=ints(0, 0)),
    "v45_two_for_one_multiplier": lambda: linear(addend=longs(0, 0)),
    "v46_negative_multiplier": lambda: linear(multiplier=(-1,)),
    "v46_shift_63": lambda: linear(shift=(63,), multiplier=(0,)),
    "v47_bias": lambda: linear(bias=ints(0, BIG)),
    "v47_least_bias": lambda: linear(bias=ints(0, -BIG - 1)),
    "v47_weights": lambda: linear(y=1, bias=ints(BIG - 3 * 128 + 1)),
    "v47_mean": lambda: mean(x=(1, 4096, 4097, 1), y=(1, 1, 1, 1)),
    "v48_addend": lambda: linear(addend=longs((1 << 63) - 1)),
    "v48_least_addend": lambda: linear(addend=longs(-(1 << 63)), multiplier=(0,)),
    "v48_zero_point": lambda: requantize(zero_point=-128, shift=(56,)),
    "v48_zero_point_wraps": lambda: requantize(zero_point=-128, shift=(62,)),
    "v49_left_shift": lambda: linear(bias=ints(1 << 30, 0), shift=(30,), rounding=1),
    "v49_no_room_for_zero_point": lambda: linear(bias=ints(BIG - 3 * 128, 0), shift=(31,), rounding=1),
    "v50_negative_a": lambda: add(a_multiplier=-1, b_multiplier=1),
    "v50_negative_b": lambda: add(a_multiplier=1, b_multiplier=-1),
    "v50_shift_63": lambda: add(shift=63),
    "v50_zero_point": lambda: add(shift=57, zero_point=64),
    "v51_negative_a": lambda: tflite_add(a_multiplier=-1),
    "v51_negative_b": lambda: tflite_add(b_multiplier=-1),
    "v51_negative_y": lambda: tflite_add(y_multiplier=-1),
    "v51_a_shift_30": lambda: tflite_add(a_shift=30),
    "v51_b_shift_30": lambda: tflite_add(b_shift=30),
    "v51_y_shift_30": lambda: tflite_add(y_shift=30),
    "v51_a_shift_63": lambda: tflite_add(a_shift=63),
    "v51_b_shift_63": lambda: tflite_add(b_shift=63),
    "v51_y_shift_63": lambda: tflite_add(y_shift=63),
    "v52_257_entries": lambda: softmax(entries=257),
    "v52_sum_0": lambda: softmax(largest=0),
    "v52_numerator": lambda: softmax(numerator=1 << 62),
    "v52_shift": lambda: softmax(shift=63),
    "v54_first_is_small": lambda: softmax_tflite(largest=2**31 - 2),
    "v54_entry_above": lambda: softmax_tflite(largest=2**31),
    "v54_second_entry_above": lambda: but(
        softmax_tflite(), operators__0__options__exponential=np.uint32([2**31 - 1, 2**31])
    ),
    "v54_zero_point": lambda: softmax_tflite(zero_point=-127),
    "v54_4096_entries": lambda: softmax_tflite(channels=4096),
    "v33_maximum": lambda: single(Table("Maximum"), (1, 4), (1, 3), (1, 4)),
    "v39_l2_norm": lambda: l2_norm(y=(5, 2)),
    "v40_minimum": lambda: but(single(Table("Minimum"), (4,), (4,), (4,)), tensors__1__zero_point=1),
    "v47_matmul": lambda: matmul((1, 1 << 18), (1, 1 << 18), (1, 1)),
    "v55_rank": lambda: slice_of(y=(2, 3, 1)),
    "v55_begin_of_one_axis": lambda: slice_of(begin=(0,)),
    "v55_stride_of_three_axes": lambda: slice_of(stride=(1, 2, 1)),
    "v55_stride_0": lambda: slice_of(stride=(1, 0)),
    "v55_begins_before": lambda: slice_of(begin=(0, -1)),
    "v55_begins_behind": lambda: slice_of(begin=(0, 6), y=(2, 1)),
    "v55_begins_behind_and_returns": lambda: slice_of(begin=(0, 6), stride=(1, -2)),
    "v55_ends_behind": lambda: slice_of(begin=(0, 2)),
    "v55_ends_before": lambda: slice_of(begin=(0, 3), stride=(1, -2)),
    "v55_wraps": lambda: slice_of(stride=(1, BIG)),
    "v56_rank": lambda: resize(x=(2, 3, 4), y=(2, 2, 4)),
    "v56_rank_of_x": lambda: resize(x=(1, 2, 3, 4, 1)),
    "v56_rank_of_y": lambda: resize(y=(1, 2, 2, 4, 1)),
    "v56_batch": lambda: resize(y=(2, 2, 2, 4)),
    "v56_channels": lambda: resize(y=(1, 2, 2, 3)),
    "v56_rows": lambda: resize(rows=(0,)),
    "v56_row_outside": lambda: resize(rows=(0, 2)),
    "v56_columns": lambda: resize(columns=(0, 1, 2)),
    "v56_column_outside": lambda: resize(columns=(0, 3)),
    "v56_weights_of_rows": lambda: resize(row_weight=(0,)),
    "v56_weight_1024": lambda: resize(column_weight=(0, 1024)),
    "v57_rank": lambda: transpose_conv(x=(1, 3, 3, 2, 1)),
    "v57_batch": lambda: transpose_conv(y=(2, 6, 6, 4)),
    "v57_out_channels": lambda: transpose_conv(weights=(3, 2, 2, 2)),
    "v57_in_channels": lambda: transpose_conv(weights=(4, 2, 2, 3)),
    "v57_filter": lambda: transpose_conv(filter=(2, 1)),
    "v57_stride_0": lambda: transpose_conv(stride=(0, 2)),
    "v57_dilation": lambda: transpose_conv(dilation=(2, 1)),
    "v57_too_low": lambda: transpose_conv(y=(1, 5, 6, 4)),
    "v57_too_wide": lambda: transpose_conv(y=(1, 6, 8, 4)),
    "v57_padded_output_too_large": lambda: but(
        transpose_conv(
            (1, BIG, 1, 1), (1, 2, 1, 1), (1, BIG - 1, 1, 1), filter=(2, 1), stride=(1, 1), padding=(1, 1, 0, 0)
        ),
        arena_size=2**32 - 1,
    ),
    "v58_rank": lambda: arg_max(y=(2,)),
    "v58_rank_3": lambda: arg_max(y=(2, 1, 1)),
    "v58_rows": lambda: arg_max(y=(1, 1)),
    "v58_two_left": lambda: arg_max(y=(2, 2)),
    "v58_257_entries": lambda: arg_max(x=(2, 257)),
    "v58_zero_point": lambda: arg_max(zero_point=0),
    "v59_rank_1": lambda: matmul((4,), (4,), (1,)),
    "v59_ranks": lambda: matmul(b=(5, 4)),
    "v59_rank_of_a": lambda: matmul(a=(2, 3, 4, 1)),
    "v59_rank_of_b": lambda: matmul(b=(2, 5, 4, 1)),
    "v59_depth": lambda: matmul(b=(2, 5, 3)),
    "v59_rows": lambda: matmul(y=(2, 4, 5)),
    "v59_columns": lambda: matmul(y=(2, 3, 4)),
    "v59_batch_of_a": lambda: matmul(a=(1, 3, 4)),
    "v59_batch_of_b": lambda: matmul(a=(2, 2, 3, 4), b=(2, 1, 5, 4), y=(2, 2, 3, 5)),
    "v60_zero_point": lambda: l2_norm(zero_point=1),
    "v60_32769_entries": lambda: l2_norm((32769,), (32769,)),
    "v61_int16_without_requant": lambda: reshapes(inputs__0__source_dtype=2),
    "v61_requant_of_int8": lambda: reshapes(inputs__0__requant=requant()),
    "v61_int16_output": lambda: reshapes(outputs__0__source_dtype=2),
    "v61_shift_15": lambda: reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(shift=(15,))),
    "v61_shift_56": lambda: reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(shift=(56,))),
    "v61_two_shifts": lambda: reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(shift=(32, 32))),
    "v61_bias": lambda: reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(bias=ints(0))),
    "v61_addend": lambda: int16_input(addend=longs(0)),
    "v61_two_multipliers": lambda: int16_input(multiplier=(1 << 30, 1 << 30)),
    "v61_output_range": lambda: int16_input(output_min=5, output_max=4),
    "v61_requant_of_an_output": lambda: reshapes(outputs__0__requant=requant()),
    "v61_negative": lambda: reshapes(inputs__0__source_dtype=2, inputs__0__requant=requant(multiplier=(-1,))),
    "v62_no_scales": lambda: accumulators(scales=None),
    "v62_one_scale": lambda: accumulators(scales=(0.5,)),
    "v62_scale_0": lambda: accumulators(scales=(0.5, 0.0)),
    "v62_negative_scale": lambda: accumulators(scales=(0.5, -0.5)),
    "v62_infinite_scale": lambda: accumulators(scales=(np.inf, 0.5)),
    "v62_scales_of_int8": lambda: accumulators(dtype=0),
    "v62_scales_of_an_input": lambda: reshapes(inputs__0__scales=np.ones(16, "<f4")),
    "v62_int32_input": lambda: but(reshapes(tensors__0__dtype=1, tensors__1__arena_offset=64), arena_size=128),
    "v62_int32_reshape": lambda: but(reshapes(tensors__1__dtype=1), arena_size=128),
    "v62_int32_reshape_with_scales": lambda: but(
        reshapes(tensors__1__dtype=1, outputs__0__scales=np.ones(16, "<f4")), arena_size=128
    ),
    "v62_int32_input_of_a_sum": sum_of_an_input,
    "v62_int32_weights": lambda: but(linear(), tensors__1__dtype=1),
    "v62_zero_point": lambda: but(accumulators(), tensors__2__zero_point=1),
    "v62_adds_int8": lambda: requantize_sum(acc_dtype=0),
    "v62_b_is_int32": lambda: but(requantize_sum(), operators__1__inputs=np.array([3, 2], "<u4")),
    "v21_int32_codes": lambda: but(accumulators(), test_vectors=vectors(([codes(1, 2, 3)], [codes(1, 2)]))),
    "v16_int32_above_the_arena": lambda: but(accumulators(), arena_size=16 + 4),
    "v63_double": lambda: accumulators(rounding=1),
    "v63_addend": lambda: accumulators(addend=longs(0)),
    "v63_two_multipliers": lambda: accumulators(multiplier=(1, 1), shift=(0, 0)),
    "v63_multiplier_2": lambda: accumulators(multiplier=(2,)),
    "v63_shift_1": lambda: accumulators(shift=(1,)),
    "v64_shape_of_b": lambda: requantize_sum(b=(2, 1)),
    "v64_shape_of_a": lambda: requantize_sum(b=(2, 1), y=(2, 1)),
    "v64_shape_of_y": lambda: requantize_sum(y=(2, 1)),
    "v64_no_addend": lambda: but(requantize_sum(), operators__1__options__requant__addend=None),
    "v64_two_b_multipliers": lambda: requantize_sum(b_multiplier=(1, 1)),
    "v64_b_multiplier": lambda: requantize_sum(b_multiplier=(1 << 55,)),
    "v64_negative_b_multiplier": lambda: requantize_sum(b_multiplier=(-(1 << 55),)),
    "v64_addend": lambda: requantize_sum(addend=longs((1 << 63) - (1 << 61))),
    "v64_least_addend": lambda: requantize_sum(addend=longs(-(1 << 63))),
    "v43_requantize_sum": lambda: requantize_sum(multiplier=(1, 1, 1), shift=(1, 1, 1)),
    "v46_requantize_sum": lambda: requantize_sum(multiplier=(-1,)),
    "v53_255_entries": lambda: single(Table("Lut", table=pattern(255)), (4,), (4,)),
    # Each rule that several operators share, for each of them.
    "v31_dwconv2d": lambda: dwconv(y=(1, 5, 4, 4)),
    "v33_mul_a": lambda: single(Table("Mul", requant=requant()), (1, 3), (1, 4), (1, 4)),
    "v33_mul_b": lambda: single(Table("Mul", requant=requant()), (1, 4), (1, 3), (1, 4)),
    "v33_minimum_a": lambda: single(Table("Minimum"), (1, 3), (1, 4), (1, 4)),
    "v38_axis_200": lambda: transpose(0, 200),
    "v40_pad": lambda: but(pad(ints(0, 0), ints(0, 0)), tensors__1__zero_point=1),
    "v40_concat": lambda: but(concat(0, (4,), (4,), (8,)), tensors__1__zero_point=1),
    "v40_transpose": lambda: but(transpose(1, 0), tensors__1__zero_point=1),
    "v40_clamp": lambda: but(single(Table("Clamp"), (4,), (4,)), tensors__1__zero_point=1),
    "v40_slice": lambda: but(slice_of(), tensors__1__zero_point=1),
    "v40_resize2d": lambda: but(resize(), tensors__1__zero_point=1),
    "v40_maximum_a": lambda: but(single(Table("Maximum"), (4,), (4,), (4,)), tensors__0__zero_point=1),
    "v41_dwconv2d": lambda: single(
        Table("DwConv2D", window=window(), requant=requant()), (1, 4, 4, 2), (1, 1, 1, 4), (1, 4, 4, 4)
    ),
    "v42_add": lambda: add(output_min=5, output_max=4),
    "v42_average_pool2d": lambda: but(
        pool(), operators__0__options__output_min=127, operators__0__options__output_max=0
    ),
    "v46_conv2d": lambda: but(conv(), operators__0__options__requant=requant((0,), (63,))),
    "v46_dwconv2d": lambda: but(dwconv(), operators__0__options__requant=requant((0,), (63,))),
    "v46_transpose_conv2d": lambda: but(transpose_conv(), operators__0__options__requant=requant((0,), (63,))),
    "v46_mul": lambda: single(Table("Mul", requant=requant((0,), (63,))), (4,), (4,), (4,)),
    "v46_matmul": lambda: matmul(multiplier=(0,), shift=(63,)),
    "v46_mean": lambda: mean(multiplier=(0,), shift=(63,)),
    "v46_requantize": lambda: requantize(multiplier=(0,), shift=(63,)),
    "v47_dwconv2d": lambda: but(dwconv(), operators__0__options__requant=requant(bias=ints(0, BIG, 0, 0))),
    "v48_mul": lambda: single(Table("Mul", requant=requant(shift=(56,))), (4,), (4,), (4,), zero_point=-128),
    "v52_no_entries": lambda: but(softmax(), operators__0__options__exponential=np.uint32([])),
    "v57_filter_height": lambda: transpose_conv(filter=(1, 2)),
    "v57_rank_of_weights": lambda: transpose_conv(weights=(4, 2, 2, 2, 1)),
    "v57_rank_of_y": lambda: transpose_conv(y=(1, 6, 6, 4, 1)),
    "v33_squared_difference": lambda: single(Table("SquaredDifference"), (1, 4), (1, 3), (1, 4)),
    "v65_negative_a": lambda: squared_difference(a_multiplier=-1),
    "v65_negative_b": lambda: squared_difference(b_multiplier=-1),
    "v65_negative_y": lambda: squared_difference(y_multiplier=-1),
    "v65_a_shift_30": lambda: squared_difference(a_shift=30),
    "v65_b_shift_30": lambda: squared_difference(b_shift=30),
    "v65_y_shift_30": lambda: squared_difference(y_shift=30),
    "v65_a_shift_63": lambda: squared_difference(a_shift=63),
    "v65_b_shift_63": lambda: squared_difference(b_shift=63),
    "v65_y_shift_63": lambda: squared_difference(y_shift=63),
    "v65_a_above_half": lambda: squared_difference(a_multiplier=(1 << 30) + 1),
    "v65_b_above_half": lambda: squared_difference(b_multiplier=(1 << 30) + 1),
    "v39_layer_norm": lambda: layer_norm(y=(3, 2)),
    "v66_two_multipliers": lambda: layer_norm(multiplier=(1, 2)),
    "v66_four_addends": lambda: layer_norm(addend=(1, 2, 3, 4)),
    "v66_addend": lambda: layer_norm(addend=(1, 2, 1 << 62)),
    "v66_least_addend": lambda: layer_norm(addend=(1, 2, -(1 << 63))),
    "v66_shift_63": lambda: layer_norm(shift=63),
    "v66_odd_epsilon_bits": lambda: layer_norm(epsilon_bits=3),
    "v66_epsilon_bits_64": lambda: layer_norm(epsilon_bits=64),
    "v66_squares": lambda: layer_norm(epsilon_bits=46),
    "v66_epsilon": lambda: layer_norm(epsilon_bits=2, epsilon=(1 << 63) - (27 << 16)),
    "v39_log_softmax": lambda: log_softmax(y=(4, 1)),
    "v67_257_entries": lambda: log_softmax(rest=[0] * 256),
    "v67_entry_above": lambda: log_softmax(rest=(1, (1 << 31) + 1)),
    "v67_negative_multiplier": lambda: log_softmax_tflite(multiplier=-1),
    "v67_negative_log_multiplier": lambda: log_softmax_tflite(log_multiplier=-1),
    "v67_first_is_small": lambda: log_softmax(BIG),
    "v67_shift_63": lambda: log_softmax(shift=63),
    "v67_multiplier": lambda: log_softmax(multiplier=1 << 54),
    "v67_sum": lambda: log_softmax(log_multiplier=BIG, multiplier=(1 << 54) - 1, addend=(1 << 31) + (1 << 8)),
    "v67_least_addend": lambda: log_softmax(addend=-(1 << 63)),
    "v67_tflite_first_is_large": lambda: log_softmax_tflite(1 << 31),
    "v67_tflite_multiplier": lambda: log_softmax_tflite(multiplier=1 << 31),
    "v67_tflite_shift_32": lambda: log_softmax_tflite(rest=(), shift=32),
    "v67_tflite_left_shift": lambda: log_softmax_tflite(shift=0),
    "v67_tflite_zero_point": lambda: log_softmax_tflite(zero_point=126),
    "v67_tflite_4096_entries": lambda: log_softmax_tflite(channels=4096),
}
