/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_rules.h: the validity rules. X(number, sentence) is the includer's to define.
 * Written by schema/generate.py (make generate) from section 5 of SPEC.md. */
/* clang-format off */
X(1, "The file is smaller than 2^31 bytes, and every offset leads to a place at a multiple of 4 with at least 4 "
  "bytes of the file after it.")
X(2, "A table's vtable lies inside the file, at a multiple of 2; its size is even and at least 4.")
X(3, "A table lies inside the file, and each of its fields inside the table, at a multiple of the field's alignment.")
X(4, "A vector or text lies inside the file, and its first element at a multiple of its alignment.")
X(5, "Every required field is present.")
X(6, "seal.size is the size of the file.")
X(7, "seal.crc32 is the CRC-32 of the file with these four bytes taken as zero.")
X(8, "format_version is at least 1.")
X(9, "An enumeration has a value that qrt.fbs names, and an operator has options of a kind that qrt.fbs names.")
X(10, "Text is valid UTF-8.")
X(11, "There are at most 8192 tensors, at most 8192 operators, 1 to 256 inputs and 1 to 256 outputs.")
X(12, "All texts, codes of test vectors and weights, counted as often as they are referred to, have together at most "
  "as many bytes as four times the file, or 2^28 if that is more; the inputs of all operators and references to "
  "codes of test vectors, at 4 bytes each, at most as many as the file; the names, labels and scales of all "
  "inputs and outputs, at most as many as the file, or 2^20 if that is more.")
X(13, "A tensor has rank 1 to 6, each length is at least 1, and their product is below 2^31.")
X(14, "A scale is finite and not negative.")
X(15, "A tensor has exactly one of data, a lifetime and initial; data has as many bytes as the elements take.")
X(16, "An arena tensor's arena_offset is a multiple of 16, and all of its memory lies below arena_size.")
X(17, "An input or output of the model is an arena tensor.")
X(18, "No tensor is an input of the model twice.")
X(19, "An input of the model has no labels; an output has none, or one for each entry of its last axis.")
X(20, "Only a tensor of rank 4 has source_layout NCHW.")
X(21, "A test vector has codes for each input and each output of the model, as many bytes as the tensor has in the "
  "arena.")
X(22, "The inputs of an operator are tensors of the file, and its output is an arena tensor.")
X(23, "An operator has as many inputs as section 2 lists; concat has 1 to 256.")
X(24, "An arena tensor that is no state is either an input of the model, with lifetime.first 0, or the output of "
  "exactly one operator, with lifetime.first that operator's index plus 1.")
X(25, "An operator reads only constants, states other than its output, inputs of the model, and outputs of operators "
  "before it.")
X(26, "lifetime.last is the number of operators plus 1 for an output of the model; else the index of the last "
  "operator that reads the tensor plus 1; else, when nobody reads it, lifetime.first.")
X(27, "Arena tensors whose lifetimes intersect, and a state's is everything, have no byte in common, unless an "
  "operator that is in no band writes one in place of the other or over it, or their lifetimes intersect only in "
  "a band and no byte belongs to both in the same turn at the same operator.")
X(28, "conv2d: x, weights and y have rank 4; groups is at least 1 and divides in_channels and out_channels; weights "
  "are [out_channels, filter_height, filter_width, in_channels / groups].")
X(29, "dwconv2d: x, weights and y have rank 4; out_channels is a multiple of in_channels; weights are [1, "
  "filter_height, filter_width, out_channels].")
X(30, "linear: y has the shape of x but for the last axis; weights are [out_features, in_features].")
X(31, "A window has filter, stride and dilation of at least 1; it fits into the padded image, whose height and width "
  "are below 2^31; y has x's batch, and out_height and out_width as in section 1.2.")
X(32, "A pool has rank 4, as many channels in y as in x, dilation 1, each padding less than the filter's extent along"
  " that axis, and a filter of at most 2^22 positions.")
X(33, "add, mul, maximum, minimum and squared_difference: a and b have the rank of y, and along each axis y's length "
  "or 1.")
X(34, "mean: x is [N, H, W, C] and y is [N, 1, 1, C].")
X(35, "pad: before and after have one entry, not negative, for each axis, and y's length is before + x's length + "
  "after along each.")
X(36, "concat: axis is below the rank, the inputs have y's shape but along axis, and along it their lengths add up to"
  " y's.")
X(37, "reshape: x and y have equally many elements.")
X(38, "transpose: permutation names each axis of x once, and y's length along axis k is x's along axis "
  "permutation[k].")
X(39, "requantize, clamp, softmax, lut, l2_norm, layer_norm, log_softmax, assign, sigmoid, tanh and leaky_relu: y has"
  " the shape of x.")
X(40, "pools, pad, concat, reshape, transpose, push, assign, clamp, slice, resize2d, maximum and minimum: all inputs "
  "and y have the same numbers.")
X(41, "conv2d, dwconv2d, transpose_conv2d and linear: weights are constant, with zero_point 0.")
X(42, "output_min is not above output_max.")
X(43, "multiplier has one entry, or, for conv2d, dwconv2d, transpose_conv2d, linear and requantize_sum, one for each "
  "output channel; shift has as many as multiplier.")
X(44, "Only conv2d, dwconv2d, transpose_conv2d and linear have a bias, with one entry for each output channel.")
X(45, "addend comes only with rounding SINGLE and without bias, with as many entries as multiplier.")
X(46, "A multiplier is not negative and a shift is at most 62.")
X(47, "|acc| + |bias| is below 2^31 for any input, but where x is int16 and the rounding SINGLE.")
X(48, "Rounding SINGLE: (|acc| + |bias|) * multiplier + round + |y_zero_point| * 2^shift, or with an addend |acc| * "
  "multiplier + |addend|, is below 2^63 for any input.")
X(49, "Rounding DOUBLE: (|acc| + |bias|) * 2^left is at most 2^31 - 256 for any input, where y is int16 2^31 - 65536.")
X(50, "add COMMON_SHIFT: a_multiplier and b_multiplier are not negative, shift is at most 62, and (a_multiplier + "
  "b_multiplier) * 256 (where an operand is int16, 65536) + round + |y_zero_point| * 2^shift is below 2^63.")
X(51, "add TFLITE: a_multiplier, b_multiplier and y_multiplier are not negative; a_shift, b_shift and y_shift are "
  "from 31 to 62.")
X(52, "softmax of int8: exponential has 1 to 256 entries; in form EXACT the first is at least 1, numerator is below "
  "2^62 and shift at most 62.")
X(53, "lut: table has 256 entries.")
X(54, "softmax TFLITE of int8: the first exponential is 2^31 - 1 and none is above, the last axis has at most 4095 "
  "entries, and y_zero_point is -128, or -32768 where y is int16.")
X(55, "slice: begin and stride have one entry for each axis, no stride is 0, y has x's rank, and along each axis "
  "begin and begin + (y's length - 1) * stride lie in x.")
X(56, "resize2d: x and y have rank 4, the same batch and channels; rows has an entry below in_height for each row of "
  "y, columns one below in_width for each column; row_weight and column_weight, where present, have as many, "
  "below 1024.")
X(57, "transpose_conv2d: x, weights and y have rank 4, and x and y the same batch; weights are [out_channels, "
  "filter_height, filter_width, in_channels]; filter and stride are at least 1, dilation is 1; pad_top + "
  "out_height + pad_bottom is below 2^31, at least (in_height - 1) * stride_y + filter_height, and above it by "
  "less than stride_y; so for the width.")
X(58, "arg_max: y has x's shape but for the last axis, where it has 1 entry and x at most 256; y_zero_point is -128.")
X(59, "matmul: a, b and y have equal ranks of at least 2; a is [..., M, K], b [..., N, K], y [..., M, N]; in front of"
  " these, a has y's lengths, and b has them too or is 1 along all axes.")
X(60, "l2_norm: the last axis has at most 32768 entries, and y_zero_point is 0.")
X(61, "Exactly an int16 input or output has source_dtype INT16 or UINT16, and an int8 input may have INT16. Exactly "
  "that one has a requant: one multiplier that is not negative, one shift from 16 to 55, no bias, no addend, and "
  "output_min not above output_max.")
X(62, "Only outputs of conv2d, dwconv2d and linear are int32; they have zero_point 0 and no data. requantize_sum "
  "reads one as its first input, and no other operator reads one. Exactly a model output that is int32 has "
  "scales: one, finite and positive, for each entry of its last axis.")
X(63, "With an int32 y: rounding is SINGLE, there is no addend, the only multiplier is 1 and its shift 0.")
X(64, "requantize_sum: a, b and y have the same shape; multiplier, shift, addend and b_multiplier have one entry, or "
  "one for each entry of the last axis; 2^31 * multiplier + 2^7 * |b_multiplier| + |addend| is below 2^63.")
X(65, "squared_difference: a_multiplier, b_multiplier and y_multiplier are not negative; a_shift, b_shift and y_shift"
  " are from 31 to 62; a_multiplier * 2^-a_shift and b_multiplier * 2^-b_shift are at most 1/2.")
X(66, "layer_norm: the last axis has C <= 32768 entries, multiplier and addend have as many, |addend| is below 2^62 "
  "and shift at most 62; epsilon_bits is even and at most 62, and 2^(14 + epsilon_bits) * C^3 + epsilon is below "
  "2^63.")
X(67, "log_softmax: exponential has 1 to 256 entries, of which none is above the first; multiplier and log_multiplier"
  " are not negative. Form EXACT: the first exponential is 2^31, shift at most 62, multiplier below 2^54, and "
  "2^31 * log_multiplier + 2^8 * multiplier + |addend| below 2^63. Form TFLITE: the first exponential is 2^31 - "
  "1, multiplier below 2^31, shift at most 31, 2^(31 - shift) times the number of entries less 1 below 2^31, the "
  "last axis has at most 4095 entries, and y_zero_point is 127.")
X(68, "A state is int8 or int16, no input of the model, and lies below state_size; all other arena tensors lie above."
  " Its initial has as many bytes as its elements, or 1. Exactly one operator updates it: push or assign, whose "
  "outputs are states, or an operator among whose inputs section 2 lists states. No other output, and no other "
  "such input, is a state.")
X(69, "push: x has y's rank, axis is below it, and x's lengths are y's but along the axis, where x's may be less.")
X(70, "Only weights of conv2d, dwconv2d and linear are int4, and x and y are not int16 there. An operator that moves "
  "codes (pad, concat, reshape, transpose, slice, push, assign) has inputs and output of one type, pad with value"
  " 0 where that is int16. Another input or output is int16 only where section 2 says so of its operator; weights"
  " are not, nor is an input where y is int32.")
X(71, "svdf: x, which is not the state, feature_weights and y are int8; feature_weights and time_weights are constant"
  " with zero_point 0; time_weights have the state's type, int8 or int16, and an int16 state has zero_point 0. "
  "All have rank 2: x is [B, I], feature_weights [F, I], time_weights [F, M], state [B, F * M], y [B, F / rank]; "
  "rank is at least 1 and divides F.")
X(72, "svdf: feature and requant have one multiplier, which is not negative, one shift, at most 62, and no addend; "
  "requant's output_min is not above its output_max; feature has no bias, and requant none or one entry for each "
  "entry of y's last axis. Feature keeps V47, V48 and V49 for acc, as for an int8 y with zero_point 0; for "
  "requant, shift is at least 32 where rounding is DOUBLE, and 2^31 * multiplier + round + |y_zero_point| * "
  "2^shift is below 2^63 where it is SINGLE.")
X(73, "lstm: x, h and y have one type, int8 or int16, and c is int16; weights and recurrent_weights are constant int8"
  " with zero_point 0; int16 tensors have zero_point 0; h and y have the same numbers. x and y have rank 3, the "
  "others rank 2: x is [B, T, I], or [T, B, I] with time_major, y the same with H for I, weights [4 * H, I], "
  "recurrent_weights [4 * H, H], h and c [B, H].")
X(74, "lstm: multiplier and shift of input and of recurrent have 4 entries or 4 * H, addend, if there is one, as "
  "many; no multiplier is negative and no shift above 62; input has no bias or one of 4 * H entries, and "
  "recurrent has none; an addend comes only with rounding SINGLE and without bias. cell_power is from -29 to 1 "
  "and cell_clip at most 32767; output_multiplier is not negative and output_shift from 31 to 62.")
X(75, "lstm: input and recurrent keep V47, V48 and V49 for each row's sum, as for an int8 y with zero_point 0. Where "
  "x is int16, rounding is SINGLE, and V48 alone holds, for lo = -32768 and hi = 32767.")
X(76, "a and b of add, mul, matmul, maximum and minimum have one type, as have all inputs and y of an operator that "
  "V40 names. In form TFLITE of add y has it too, and where it is int16 all zero points are 0.")
X(77, "A pool of int16 has a filter of at most 2^15 positions.")
X(78, "sigmoid and tanh: x and y are int16 with zero_point 0; multiplier is from 0 to 32767 and shift at most 31.")
X(79, "leaky_relu: x and y are int16; multiplier is not negative and negative_multiplier above -2^31; shift and "
  "negative_shift are at most 62; (32767 - x_zero_point) * 2^left for shift, and (x_zero_point + 32768) * 2^left "
  "for negative_shift, are at most 2^31 - 65536.")
X(80, "softmax of int16: the form is TFLITE, exponential is empty, y is int16 with zero_point 0, multiplier is not "
  "negative, shift at most 62, 65535 * 2^left at most 2^31 - 65536, and the last axis has at most 65536 entries.")
X(81, "A band has 1 pace or more, one for each of its operators; these are operators of the file and lie behind those"
  " of the band before it. At most one band has feed.")
X(82, "An operator of a band is a conv2d, dwconv2d, pool, elementwise operator, requantize_sum, resize2d whose rows "
  "never decrease, concat along axis 2 or 3, pad of axes 2 and 3 alone, or global average. Its output, the inputs"
  " that are not constant, of which there are some, and what is fed have rank 4 and batch 1. It has no overlap "
  "and no states.")
X(83, "A pace has rows and per of at least 1; H * per is below 2^31, and all H rows are made in the band's last turn."
  " capacity is at least 1 and at most H; kept is not negative and at most capacity; where capacity is H kept is "
  "too; where kept is capacity slide is LEFT.")
X(84, "The work of proving bands is at most 16 times the file's bytes plus 2^20. It is: the number of tensors that "
  "come before, for each arena tensor of a file with bands; for each tensor that a band makes its turns times its"
  " readers in it plus 1; the rows that a resize2d in a band makes; whenever readers of a tensor are looked for, "
  "the inputs of the band's operators; and for each row of a tensor that lies over rows of another, these and 1.")
X(85, "In every turn of a band, the rows that an operator needs of an input that the band makes are made, by then, in"
  " this turn or before.")
X(86, "In every turn of a band, of a tensor that it makes and that is not whole, made(t) less the low behind the turn"
  " before, or less made(t - 1) where that is lower, is at most capacity, and made(t) less the low behind this "
  "turn at most kept.")
X(87, "What is read behind its band, or is an output of the model, has a capacity of all its rows, and what nobody "
  "reads in its band too. A global average is not read in its band. Each tensor is an input of a band's operators"
  " at most 8 times. What is fed is read in its band and nowhere else.")
