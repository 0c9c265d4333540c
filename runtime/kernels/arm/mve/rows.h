/* rows.h: X(operator) for each operator that the mve set has a row of its own for. */
X(conv2d)
X(linear)
X(dwconv2d)
