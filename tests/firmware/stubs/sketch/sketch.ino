// Two networks in one sketch.
#include <net.h>
#include <other.h>

static net_memory one;
static other_memory two;

void setup() {
    net_input(&one, 0)[0] = 7;
    other_input(&two, 0)[0] = net_input(&one, 0)[0];
    net_run(&one);
    other_run(&two);
    Serial.print((long)net_output(&one, 0)[0]);
    Serial.print(" ");
    Serial.println((long)other_output(&two, 0)[0]);
}

void loop() {}
