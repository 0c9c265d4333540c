"""PyTorch's operators and modules that no network of qrt has, by name in small letters, with the reason and remedy."""

from __future__ import annotations

THREE_D = "works on volumes; only images [N, C, H, W] and sequences [N, C, L] are supported"
RECURRENT = (
    "is recurrent; write one step of it with linear layers, with its"
    " state as an input and an output, and name these with --state"
)
SORTED = "sorts or sums up along an axis, which has no operator in qrt; compute it after the network"
LOOKED_UP = "looks up a table by integers; do this before the network, and give it the vectors"
ATTENDED = "is attention in float; quantize it with PT2E and QrtQuantizer, which splits it into products and a softmax"
REFUSED: dict[str, str] = {
    **dict.fromkeys(("conv3d", "conv_transpose3d", "convtranspose3d"), THREE_D),
    **dict.fromkeys(("max_pool3d", "max_pool3d_with_indices", "maxpool3d"), THREE_D),
    **dict.fromkeys(("avg_pool3d", "avgpool3d", "adaptive_avg_pool3d", "adaptive_max_pool3d"), THREE_D),
    **dict.fromkeys(("upsample_nearest3d", "upsample_trilinear3d", "batchnorm3d"), THREE_D),
    **dict.fromkeys(("reflection_pad3d", "replication_pad3d"), THREE_D),
    **dict.fromkeys(("lstm", "gru", "rnn", "rnn_tanh", "rnn_relu"), RECURRENT),
    **dict.fromkeys(("lstmcell", "grucell", "rnncell"), RECURRENT),
    **dict.fromkeys(("topk", "sort", "argsort", "cumsum", "cumprod", "kthvalue", "median"), SORTED),
    **dict.fromkeys(("embedding", "embedding_bag", "embeddingbag"), LOOKED_UP),
    **dict.fromkeys(("multiheadattention", "multi_head_attention_forward"), ATTENDED),
    **dict.fromkeys(("transformerencoderlayer", "transformerdecoderlayer", "transformer"), ATTENDED),
}
