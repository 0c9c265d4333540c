/* Features of speech in integers, for devices: the bits of TensorFlow Lite Micro's audio frontend as microWakeWord sets
 * it up. log_mel.py is the same in Python. No float, no allocation; the caller owns the state. */
#ifndef LOG_MEL_H
#define LOG_MEL_H

#include <stdint.h>

#define LOG_MEL_RATE 16000 /* samples a second */
#define LOG_MEL_WINDOW 480
#define LOG_MEL_STEP 160
#define LOG_MEL_BANDS 40
#define LOG_MEL_HALF 256 /* half the length of the FFT, which is one of complex numbers */

struct log_mel {
    int16_t samples[LOG_MEL_WINDOW]; /* the last ones, at the end */
    int32_t count;                   /* how many of them have arrived */
    uint32_t noise[LOG_MEL_BANDS];   /* the level of the noise */
    union {
        int16_t entry[LOG_MEL_HALF][2]; /* real and imaginary part */
        uint32_t energy[LOG_MEL_HALF];
    } spectrum; /* used only while a frame is computed */
};

/* Begins a stream. */
void log_mel_reset(struct log_mel *state);

/* Takes 10 ms of samples. Returns 1 and writes a frame once there are LOG_MEL_WINDOW samples, 0 before. */
int log_mel_step(struct log_mel *state, const int16_t samples[LOG_MEL_STEP], uint16_t frame[LOG_MEL_BANDS]);

/* A frame as the int8 codes that microWakeWord's networks take: scale 26/256 of 1/25.6, zero point -128. */
void log_mel_codes(const uint16_t frame[LOG_MEL_BANDS], int8_t codes[LOG_MEL_BANDS]);

#endif
