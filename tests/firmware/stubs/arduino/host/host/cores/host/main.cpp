// main() of a board that is this machine: one turn of the loop.
#include "Arduino.h"
int main() { setup(); loop(); }
