/* guard_rows.h: operators that make some of their rows, between inaccessible pages. */
#ifndef QRT_GUARD_ROWS_H
#define QRT_GUARD_ROWS_H

#include "engine/qrt_prepare.h"

/* Runs operator `index` of a model by rows, where it has rows, with what was packed for the whole: one by one, and some
 * at a time. Each time all that it gets of inputs are the rows that these need. Averages of whole images are made of
 * rows too. `expected` is the whole output, `inputs` the whole inputs. Returns whether the operator has rows or is such
 * an average. */
int guard_rows(const qrt_model *model, uint32_t index, const qrt_prepared *prepared, const int8_t *const *inputs,
               const int8_t *expected);

#endif
