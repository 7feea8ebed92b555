// Makes and compares the files of the command line's tests:
//
//     cli_files tensor FILE.safetensors NAME OUT.npy      one tensor as an array
//     cli_files close A.npy B.npy TOLERANCE               exit 1 unless |a - b| <= TOLERANCE * |b| (Euclidean norms)
//     cli_files scale FILE.safetensors NAME FACTOR OUT    the first element of one tensor times FACTOR
//     cli_files features OUT.safetensors DIM LABEL...     text features, different for every label

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ssam/io/npy.hpp>
#include <ssam/io/safetensors.hpp>

namespace {

int close(const ssam::HostTensor& a, const ssam::HostTensor& b, double tolerance) {
  if (!(a.shape == b.shape)) {
    std::printf("shapes differ: %s, %s\n", a.shape.str().c_str(), b.shape.str().c_str());
    return 1;
  }
  const std::vector<double> x = a.to<double>(), y = b.to<double>();
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  const double error = std::sqrt(difference / norm);
  std::printf("relative difference %.2e\n", error);
  return error <= tolerance ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
  const std::string& verb = words[1];
  if (verb == "tensor" && words.size() == 5) {
    ssam::save_npy(words[4], ssam::load_safetensors(words[2]).at(words[3]));
  } else if (verb == "close" && words.size() == 5) {
    return close(ssam::load_npy(words[2]), ssam::load_npy(words[3]), std::atof(words[4].c_str()));
  } else if (verb == "scale" && words.size() == 6) {
    ssam::StateDict state = ssam::load_safetensors(words[2]);
    std::vector<float> values = state.at(words[3]).to<float>();
    values.at(0) *= static_cast<float>(std::atof(words[4].c_str()));
    state.tensors[words[3]] = ssam::HostTensor::from(state.at(words[3]).shape, values);
    ssam::save_safetensors(words[5], state);
  } else if (verb == "features" && words.size() > 4) {
    ssam::StateDict state;
    const auto dim = static_cast<std::size_t>(std::atoi(words[3].c_str()));
    for (std::size_t k = 4; k < words.size(); ++k) {
      std::vector<float> values(dim);
      for (std::size_t i = 0; i < dim; ++i) values[i] = std::sin(static_cast<float>((k + 1) * (i + 1)));
      state.tensors[words[k]] = ssam::HostTensor::from(ssam::Shape{static_cast<ssam::Index>(dim)}, values);
    }
    ssam::save_safetensors(words[2], state);
  } else {
    return 2;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return count < 2 ? 2 : run({arguments, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cli_files: %s\n", error.what());
    return 1;
  }
}
