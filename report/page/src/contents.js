// The document out of the page, and what connects its parts: layers, tensors, and the numbers of each layer.

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

export const readDocument = () => unpack("document");

let tables;

// What report/packing.py leaves out where it follows from the rest; in its order, and in its arithmetic.
const implied = ({ shift }, numbers) => (shift ? 1n << BigInt(shift - 1) : 0n) + (BigInt(numbers.y_zero_point) << BigInt(shift));
/** As report/packing.py writes integers. */
const integer = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : String(big));
const unit = (row, numbers) => row.real_multiplier * numbers.y_scale;
const FOLLOWING = {
  channel: (row, i) => i,
  real_multiplier: (row) => row.multiplier * 2 ** -row.shift,
  w_scale: (row, i, numbers) => unit(row, numbers) / numbers.x_scale,
  addend: (row, i, numbers) => integer(BigInt(row.bias) * BigInt(row.multiplier) + implied(row, numbers)),
  bias_float: (row, i, numbers) => Number(BigInt(row.addend) - implied(row, numbers)) * 2 ** -row.shift * numbers.y_scale,
  bias: (row, i, numbers) => Math.floor(row.bias_float / unit(row, numbers) + 0.5),
  bias_error: (row, i, numbers) => row.bias * unit(row, numbers) - row.bias_float,
  bias_error_codes: (row, i, numbers) => row.bias_error / numbers.y_scale,
};

/** The rows of a layer's channels; unpacked at the first call. */
export async function channels(index, numbers) {
  tables ??= unpack("channels");
  const { columns, count } = (await tables)[index];
  const given = Object.entries(columns);
  return Array.from({ length: count }, (_, i) => {
    const row = Object.fromEntries(given.map(([name, column]) => [name, column?.[i]]));
    for (const [name, follow] of Object.entries(FOLLOWING)) if (columns[name] === null) row[name] = follow(row, i, numbers);
    return row;
  });
}

/** The document that the page was made from. */
export async function original(given) {
  const layers = given.layers.map(async (layer) => ({ ...layer, channels: await channels(layer.index, layer.numbers) }));
  return { ...given, layers: await Promise.all(layers) };
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
