/* Firmware that listens for a phrase. The network is the library that `qrt firmware` wrote; it takes a frame a run. */
#include "log_mel.h"
#include "wakeword.h"

#include "detector.h"

#define NO_FRAME (-1)

int16_t microphone[LOG_MEL_STEP];     /* 10 ms of sound arrive here */
int8_t frame[LOG_MEL_BANDS];          /* the last frame, as the network's codes */
int8_t score;                         /* how probable the phrase is: 256 codes are 1, from -128 on */
static struct log_mel features;       /* the samples and the level of the noise */
static wakeword_memory memory;        /* all the RAM of the network, with what it remembers; but for the stack */
static uint8_t last_scores[AVERAGED]; /* a ring */
static int next_score, rest;

/* Called once, before the first sound. */
void on_start(void) {
    log_mel_reset(&features);
    wakeword_reset(&memory);
    for (int i = 0; i < AVERAGED; i++) last_scores[i] = 0;
    next_score = rest = 0;
}

static int detected(void) {
    int sum = 0;
    last_scores[next_score] = (uint8_t)(score + 128);
    next_score = (next_score + 1) % AVERAGED;
    for (int i = 0; i < AVERAGED; i++) sum += last_scores[i];
    if (rest > 0) rest--;
    if (rest > 0 || sum < AVERAGED * CUTOFF) return 0;
    rest = REST;
    return 1;
}

/* Called when 10 ms of sound have arrived: whether the phrase has just been said, or NO_FRAME. */
int on_sound(void) {
    uint16_t numbers[LOG_MEL_BANDS];
    if (!log_mel_step(&features, microphone, numbers)) return NO_FRAME;
    log_mel_codes(numbers, frame);

    int8_t *input = wakeword_input(&memory, 0);
    for (int i = 0; i < LOG_MEL_BANDS; i++) input[i] = frame[i];
    wakeword_run(&memory);
    score = wakeword_output(&memory, 0)[0];
    return detected();
}
