// Errors of the library: every failed rule is an exception that says which operation, which rule,
// both values and a way out.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace mec {

// Base of everything the library throws.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ShapeError : Error {  // sizes that do not fit together
  using Error::Error;
};
struct DtypeError : Error {  // an element type that the operation does not take
  using Error::Error;
};
struct ValueError : Error {  // an argument or setting outside its range
  using Error::Error;
};
struct IoError : Error {  // a file that is missing, damaged or cannot be written
  using Error::Error;
};
struct NumericalError : Error {  // a value that left the finite numbers, a singular matrix
  using Error::Error;
};
struct MemoryError : Error {  // no memory, or an allocation after freeze()
  using Error::Error;
};
struct DeviceError : Error {  // a device that is not there, or that refuses work
  using Error::Error;
};

// Builds a text from its parts with operator<<: a message, or the name of a file. A host program's
// global locale does not count, which would write 1000 as 1.000.
template <class... Parts> std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

// "1 epoch", "3 epochs": a number and what it counts.
template <class Integer> std::string counted(Integer number, const char* noun) {
  return concat(number, " ", noun, number == 1 ? "" : "s");
}

// Throws E with the concatenated parts unless ok. The parts are only put together when the rule
// fails.
template <class E = ValueError, class... Parts> void check(bool ok, const Parts&... parts) {
  if (!ok) throw E(concat(parts...));
}

}  // namespace mec
