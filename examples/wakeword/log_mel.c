/* Features of speech in integers; log_mel.h says which. */
#include "log_mel.h"

#include <string.h>

#include "log_mel_tables.h"

/* A sum of products of 15 bits of fraction, rounded. */
static int16_t q15(int32_t sum) { return (int16_t)((sum + (1 << 14)) >> 15); }

/* The place of the highest bit of x, which is not 0. */
static int highest_bit(uint32_t x) {
    int place = 0;
    for (int step = 16; step > 0; step >>= 1) {
        if (x >> step != 0) {
            x >>= step;
            place += step;
        }
    }
    return place;
}

static void multiply(int16_t product[2], const int16_t a[2], const int16_t b[2]) {
    const int16_t real = q15(a[0] * b[0] - a[1] * b[1]);
    product[1] = q15(a[0] * b[1] + a[1] * b[0]);
    product[0] = real;
}

/* Windows the samples and makes them as loud as 16 bits allow; returns by how many bits. Two samples are one complex
 * number, at the place where the FFT wants it: the digits of its number to base 4 are reversed. */
static int apply_window(struct log_mel *state) {
    int16_t loudest = 0;
    memset(&state->spectrum, 0, sizeof state->spectrum);
    for (int i = 0; i < LOG_MEL_WINDOW; i++) {
        const int pair = i >> 1;
        const int place = (pair & 3) << 6 | (pair & 12) << 2 | (pair & 48) >> 2 | pair >> 6;
        const int16_t value = (int16_t)(state->samples[i] * window[i] >> WINDOW_BITS);
        /* That of -32768 is negative, in 16 bits. */
        const int16_t magnitude = (int16_t)(value < 0 ? -value : value);
        if (magnitude > loudest) loudest = magnitude;
        state->spectrum.entry[place][i & 1] = value;
    }
    const int shift = loudest == 0 ? 15 : 14 - highest_bit((uint32_t)loudest);
    for (int i = 0; i < LOG_MEL_HALF; i++) {
        int16_t *entry = state->spectrum.entry[i];
        entry[0] = (int16_t)(entry[0] * (1 << shift));
        entry[1] = (int16_t)(entry[1] * (1 << shift));
    }
    return shift;
}

/* Four parts, of which the spectra are known, make a spectrum four times as long. */
static void butterfly(int16_t (*entry)[2], int span, int step, int k) {
    int16_t part[4][2];
    for (int i = 0; i < 4; i++) {
        part[i][0] = q15(entry[i * span][0] * (32767 / 4));
        part[i][1] = q15(entry[i * span][1] * (32767 / 4));
        if (i > 0) multiply(part[i], part[i], twiddles[i * k * step]);
    }
    for (int c = 0; c < 2; c++) {
        const int16_t even = (int16_t)(part[0][c] + part[2][c]), odd = (int16_t)(part[1][c] + part[3][c]);
        const int16_t less = (int16_t)(part[0][c] - part[2][c]);
        /* Turned by a quarter: the real part comes from the imaginary one, and the other way round. */
        const int16_t turned = (int16_t)(c == 0 ? part[1][1] - part[3][1] : part[3][0] - part[1][0]);
        entry[0][c] = (int16_t)(even + odd);
        entry[span][c] = (int16_t)(less + turned);
        entry[2 * span][c] = (int16_t)(even - odd);
        entry[3 * span][c] = (int16_t)(less - turned);
    }
}

static uint32_t squared(int32_t real, int32_t imaginary) {
    return (uint32_t)(real * real) + (uint32_t)(imaginary * imaginary);
}

/* The FFT, radix 4 with a division by 4 in each stage, and the energies of the spectrum of real samples in its place.
 */
static void to_energies(struct log_mel *state) {
    int16_t(*entry)[2] = state->spectrum.entry;
    for (int span = 1; span < LOG_MEL_HALF; span *= 4) {
        for (int start = 0; start < LOG_MEL_HALF; start += 4 * span) {
            for (int k = 0; k < span; k++) butterfly(entry + start + k, span, LOG_MEL_HALF / (4 * span), k);
        }
    }
    /* The entries k and -k hold the spectra of the even and of the odd samples. */
    for (int k = 1; k <= LOG_MEL_HALF / 2; k++) {
        int16_t here[2], there[2], odd[2];
        for (int c = 0; c < 2; c++) {
            here[c] = q15(entry[k][c] * (32767 / 2));
            there[c] = q15(entry[LOG_MEL_HALF - k][c] * (c == 0 ? 32767 / 2 : -(32767 / 2)));
            odd[c] = (int16_t)(here[c] - there[c]);
            here[c] = (int16_t)(here[c] + there[c]);
        }
        multiply(odd, odd, real_twiddles[k - 1]);
        state->spectrum.energy[k] = squared((here[0] + odd[0]) >> 1, (here[1] + odd[1]) >> 1);
        state->spectrum.energy[LOG_MEL_HALF - k] = squared((here[0] - odd[0]) >> 1, (odd[1] - here[1]) >> 1);
    }
}

/* The square root, rounded; of what has 32 bits it stays in 16. */
static uint32_t root(uint64_t x) {
    uint64_t rest = x, result = 0, bit = (uint64_t)1 << (x >> 32 ? 62 : 30);
    while (bit > x) bit >>= 2;
    for (; bit != 0; bit >>= 2) {
        const uint64_t trial = result + bit;
        result >>= 1;
        if (rest >= trial) {
            rest -= trial;
            result += bit;
        }
    }
    return (uint32_t)(rest > result && (result != 0xFFFF || x >> 32) ? result + 1 : result);
}

/* What the energies add up to in each band: triangles that overlap by half. */
static void to_bands(const uint32_t *energy, int shift, uint32_t *signal) {
    const int16_t *weight = band_weights;
    uint64_t rising = 0;
    for (int band = 0; band <= LOG_MEL_BANDS; band++) {
        uint64_t sum = rising;
        rising = 0;
        for (int i = band_starts[band]; i < band_starts[band + 1]; i++, weight++) {
            sum += (uint64_t)energy[i] * (uint64_t)*weight;
            rising += (uint64_t)energy[i] * (uint64_t)((1 << BAND_BITS) - *weight);
        }
        if (band > 0) signal[band - 1] = root(sum) >> shift;
    }
}

/* Follows the noise, and takes it off the signal. */
static uint32_t without_noise(uint32_t signal, uint32_t *noise, uint32_t smoothing) {
    const uint32_t scaled = signal << NOISE_BITS;
    const uint64_t sum = (uint64_t)scaled * smoothing + (uint64_t)*noise * ((1 << SMOOTHING_BITS) - smoothing);
    *noise = (uint32_t)(sum >> SMOOTHING_BITS);
    const uint32_t rest = *noise < scaled ? (scaled - *noise) >> NOISE_BITS : 0;
    const uint32_t least = (uint32_t)((uint64_t)signal * LEAST_SHARE >> SMOOTHING_BITS);
    return rest > least ? rest : least;
}

/* The gain for a level of noise: between two powers of two it is a parabola. */
static uint32_t gain_at(uint32_t noise) {
    if (noise < 2) return (uint32_t)gain[noise];
    const int power = highest_bit(noise);
    const int32_t *curve = &gain[2 + 3 * (power - 1)];
    const int32_t place = (power < 10 ? noise << (10 - power) : noise >> (power - 10)) & 0x3FF;
    const int32_t slope = (curve[2] * place >> 5) + curve[1] * 32;
    return (uint32_t)(curve[0] + ((slope * place + (1 << 14)) >> 15));
}

static uint32_t amplified(uint32_t signal, uint32_t noise) {
    const uint32_t ratio = (uint32_t)((uint64_t)signal * gain_at(noise) >> SNR_SHIFT);
    if (ratio < 2u << SNR_BITS) return ratio * ratio >> (2 + 2 * SNR_BITS - SHRUNK_BITS);
    return (ratio >> (SNR_BITS - SHRUNK_BITS)) - (1u << SHRUNK_BITS);
}

/* The natural logarithm. */
static uint16_t logarithm(uint32_t x) {
    if (x < 2) return 0;
    const int power = highest_bit(x);
    const int32_t fraction = (int32_t)(((uint64_t)x << LOG_BITS >> power) - (1 << LOG_BITS));
    const int segment = fraction >> (LOG_BITS - LOG_SEGMENT_BITS);
    const int32_t start = log_table[segment], slope = log_table[segment + 1] - start;
    const int32_t between = slope * (fraction - (segment << (LOG_BITS - LOG_SEGMENT_BITS))) >> LOG_BITS;
    const uint32_t log2 = ((uint32_t)power << LOG_BITS) + (uint32_t)(fraction + start + between);
    const uint32_t natural = (uint32_t)(((uint64_t)log2 * LOG_OF_2 + (1 << (LOG_BITS - 1))) >> LOG_BITS);
    return (uint16_t)(((natural << FEATURE_BITS) + (1 << (LOG_BITS - 1))) >> LOG_BITS);
}

void log_mel_reset(struct log_mel *state) { memset(state, 0, sizeof *state); }

int log_mel_step(struct log_mel *state, const int16_t samples[LOG_MEL_STEP], uint16_t frame[LOG_MEL_BANDS]) {
    uint32_t signal[LOG_MEL_BANDS];
    memmove(state->samples, state->samples + LOG_MEL_STEP, (LOG_MEL_WINDOW - LOG_MEL_STEP) * sizeof *samples);
    memcpy(state->samples + LOG_MEL_WINDOW - LOG_MEL_STEP, samples, LOG_MEL_STEP * sizeof *samples);
    if (state->count < LOG_MEL_WINDOW) state->count += LOG_MEL_STEP;
    if (state->count < LOG_MEL_WINDOW) return 0;

    const int shift = apply_window(state);
    to_energies(state);
    to_bands(state->spectrum.energy, shift, signal);
    for (int band = 0; band < LOG_MEL_BANDS; band++) {
        const uint32_t rest = without_noise(signal[band], &state->noise[band], smoothing[band & 1]);
        frame[band] = logarithm(amplified(rest, state->noise[band]) << CORRECTION_BITS);
    }
    return 1;
}

void log_mel_codes(const uint16_t frame[LOG_MEL_BANDS], int8_t codes[LOG_MEL_BANDS]) {
    for (int band = 0; band < LOG_MEL_BANDS; band++) {
        const int32_t code = (frame[band] * 256 + CODE_STEP / 2) / CODE_STEP - 128;
        codes[band] = (int8_t)(code < 127 ? code : 127);
    }
}
