// What tools/nvcc_traps.py must find, and what it must not.
struct Options {
  int first = 0, second = 0;
};
template <class T>
void set(T& x) {
  x = {.second = 1};
  x = T{.second = 1};
  Options made = {.second = 1};
  (void)made;
}
