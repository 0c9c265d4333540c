"""What TFLite Micro with CMSIS-NN took, once: recorded, not measured by a run.

Instructions of one inference, counted on emulated processors.
"""

NAME = "TFLM + CMSIS-NN, recorded"
INSTRUCTIONS = {
    "cortex-m4": {
        "ic_resnet8": 29_860_000,
        "kws_dscnn": 7_696_000,
        "vww_mobilenet": 24_100_000,
        "ad_autoencoder": 583_000,
        "sww": 2_227_000,
    },
    "cortex-m55": {
        "ic_resnet8": 4_912_000,
        "kws_dscnn": 1_812_000,
        "vww_mobilenet": 6_558_000,
        "ad_autoencoder": 150_000,
        "sww": 407_000,
    },
}
