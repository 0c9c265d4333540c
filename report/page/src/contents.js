// The document out of the page, and what connects its parts: layers, tensors, and the numbers of each layer.

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

export const readDocument = () => unpack("document");

let tables;

// What report/packing.py leaves out where it follows from the rest.
const FOLLOWING = {
  channel: (row, i) => i,
  real_multiplier: (row) => row.multiplier * 2 ** -row.shift,
  addend: (row, i, numbers) => {
    const addend =
      BigInt(row.bias) * BigInt(row.multiplier) +
      (row.shift ? 1n << BigInt(row.shift - 1) : 0n) +
      (BigInt(numbers.y_zero_point) << BigInt(row.shift));
    return String(addend);
  },
  w_scale: (row, i, numbers) => (row.real_multiplier * numbers.y_scale) / numbers.x_scale,
  bias_error_codes: (row, i, numbers) => row.bias_error / numbers.y_scale,
};

/** The rows of a layer's channels; unpacked at the first call. */
export async function channels(index, numbers) {
  tables ??= unpack("channels");
  const { names, columns, count } = (await tables)[index];
  return Array.from({ length: count }, (_, i) => {
    const row = {};
    names.forEach((name, c) => (row[name] = columns[c] === null ? FOLLOWING[name](row, i, numbers) : columns[c][i]));
    return row;
  });
}

/** Everything about the layers in one place, by their index. */
export function connect(given) {
  const { model } = given;
  const tensors = new Map(model.tensors.map((tensor) => [tensor.index, tensor]));
  const producers = new Map();
  const by = (rows) => new Map((rows ?? []).map((row) => [row.index, row]));
  const explained = by(given.layers);
  const timed = by(given.profile?.operators);
  const counted = by(given.device?.operators);
  const compared = by(given.compare?.layers);
  const layers = model.operators.map((operator) => {
    producers.set(operator.output, operator.index);
    return {
      ...operator,
      inputs: operator.inputs.map((index) => tensors.get(index)).filter(Boolean),
      output: tensors.get(operator.output),
      explained: explained.get(operator.index),
      time: timed.get(operator.index),
      device: counted.get(operator.index),
      error: compared.get(operator.index),
      bytes: operator.weight_bytes + operator.parameter_bytes,
    };
  });
  return { ...given, layers, tensors, producers };
}

export const isConstant = (tensor) => tensor.arena_offset === null;
export const isState = (tensor) => Boolean(tensor.initial);
