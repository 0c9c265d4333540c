// Arduino.h of a board that is this machine: what the example calls.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <string>
struct Port {
    void begin(long) {}
    void print(const char *text) { std::fputs(text, stdout); }
    void print(int number) { std::printf("%d", number); }
    void print(unsigned long number) { std::printf("%lu", number); }
    void print(long number) { std::printf("%ld", number); }
    template <typename T> void println(T value) {
        print(value);
        std::putchar('\n');
    }
};
static Port Serial;
static inline unsigned long micros() { return 0; }
static inline void delay(unsigned long) {}
void setup();
void loop();
