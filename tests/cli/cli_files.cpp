// Makes and compares the files of the command line's tests:
//
//     cli_files tensor FILE.safetensors NAME OUT.npy      one tensor as an array
//     cli_files close A.npy B.npy TOLERANCE               exit 1 unless |a - b| <= TOLERANCE * |b| (Euclidean norms)
//     cli_files scale FILE.safetensors NAME FACTOR OUT    the first element of one tensor times FACTOR
//     cli_files wrap FILE.safetensors PREFIX OUT NAME...  every name behind PREFIX, and other tensors NAME beside them
//     cli_files metadata FILE.safetensors KEY VALUE OUT   one entry of the metadata changed
//     cli_files fill VALUE OUT.npy EXTENT...              an array of one value
//     cli_files enlarged M.npy L.npy INDEX TOLERANCE      exit 1 unless mask INDEX of L is M, enlarged bilinearly
//     cli_files picture KIND SIZE OUT                     a picture or mask, see draw()
//     cli_files features OUT.safetensors DIM LABEL...     text features, different for every label
//     cli_files clip FOLDER                               a small CLIP, clip.safetensors, and its vocab.json,
//     merges.txt
//     cli_files nifti OUT.nii[.gz]                        a volume of 14 x 10 x 3 voxels
//     cli_files dicom OUT HEIGHT SERIES                   a slice of 10 x 14 pixels
//     cli_files same_place A.nii B.nii                    exit 1 unless their voxels lie in the same places
//     cli_files same_slice M.nii AXIS N VALUE P.png       exit 1 unless that slice is VALUE where P is not 0

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <ssam/io/npy.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/text/clean_text.hpp>
#include <ssam/text/clip_checkpoint.hpp>

#include "volumes.hpp"

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

/// [1, h, h] -> [side, side], as PyTorch's interpolate(mode='bilinear', align_corners=False).
ssam::HostTensor enlarged(const ssam::HostTensor& mask, ssam::Index side) {
  const std::vector<double> values = mask.to<double>();
  const ssam::Index h = mask.shape[1];
  const auto place = [&](ssam::Index i) { return std::max(0.0, (double(i) + 0.5) * double(h) / double(side) - 0.5); };
  std::vector<double> out;
  for (ssam::Index y = 0; y < side; ++y) {
    for (ssam::Index x = 0; x < side; ++x) {
      const auto top = static_cast<ssam::Index>(place(y)), left = static_cast<ssam::Index>(place(x));
      const double v = place(y) - double(top), u = place(x) - double(left);
      const auto at = [&](ssam::Index row, ssam::Index column) {
        return values[static_cast<std::size_t>(std::min(row, h - 1) * h + std::min(column, h - 1))];
      };
      out.push_back((1 - v) * ((1 - u) * at(top, left) + u * at(top, left + 1)) +
                    v * ((1 - u) * at(top + 1, left) + u * at(top + 1, left + 1)));
    }
  }
  return ssam::HostTensor::from(ssam::Shape{side, side}, out);
}

int close_enlarged(const ssam::HostTensor& mask, const ssam::HostTensor& logits, int index, double tolerance) {
  const ssam::Index side = logits.shape[2];
  const std::vector<double> all = logits.to<double>();
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(index * side * side);
  const std::vector<double> one(first, first + static_cast<std::ptrdiff_t>(side * side));
  return close(enlarged(mask, side), ssam::HostTensor::from(ssam::Shape{side, side}, one), tolerance);
}

/// noise, deep (12 bits in 16, dark to light), square (a mask of one label, its middle quarter), lesion (one pixel),
/// alpha (the square drawn in transparency), blurred (its edges smoothed), values (a square of 10 in one of 20), blank.
cv::Mat draw(const std::string& kind, int size) {
  const cv::Rect middle(size / 4, size / 4, size / 2, size / 2);
  cv::Mat mask(size, size, CV_8UC1, cv::Scalar(0));
  if (kind == "noise") {
    cv::Mat noise(size, size, CV_8UC3);
    cv::randu(noise, 0, 255);
    noise(middle) *= 0.3;
    return noise;
  }
  if (kind == "deep") {
    cv::Mat deep(size, size, CV_16UC1);
    for (int i = 0; i < size * size; ++i)
      deep.at<std::uint16_t>(i / size, i % size) = std::uint16_t(i * 4095L / (size * size));
    return deep;
  }
  if (kind == "square" || kind == "blurred" || kind == "alpha") mask(middle).setTo(255);
  if (kind == "blurred") cv::GaussianBlur(mask, mask, {7, 7}, 2);
  if (kind == "lesion") mask.at<std::uint8_t>(size / 2 + 1, size / 2 + 1) = 255;
  if (kind == "values") {
    mask(middle).setTo(20);
    mask(cv::Rect(size / 2, size / 2, size / 8, size / 8)).setTo(10);
  }
  if (kind != "alpha") return mask;
  const cv::Mat black(size, size, CV_8UC1, cv::Scalar(0));
  cv::Mat drawn;
  cv::merge(std::vector<cv::Mat>{black, black, black, mask}, drawn);
  return drawn;
}

/// A text encoder of 8 channels with random weights, features of 24 values, and a vocabulary of bytes alone.
void write_clip(const std::filesystem::path& folder) {
  ssam::ClipTextEncoder<float, ssam::Cpu> encoder(
      {.vocabulary = 514, .context = 16, .width = 8, .heads = 1, .layers = 2, .features = 24});
  ssam::Random random(1);
  ssam::walk(encoder, [&](const ssam::Path&, auto& parameter, ssam::Group, ssam::Layout) {
    for (ssam::Index i = 0; i < parameter.value.size(); ++i) {
      parameter.value.data()[i] = static_cast<float>(0.3 * random.normal());
    }
  });
  std::filesystem::create_directories(folder);
  ssam::save_safetensors(folder / "clip.safetensors", ssam::export_state(encoder, [](auto&&...) { return true; }));
  nlohmann::json tokens = {{"<|startoftext|>", 512}, {"<|endoftext|>", 513}};
  int printable = 0, other = 0;  // the letters of OpenAI's alphabet of bytes: what can be printed comes first
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int id = itself ? printable++ : 188 + other;
    const std::string letter = ssam::encode_utf8(std::u32string(1, itself ? byte : char32_t(256 + other++)));
    tokens[letter] = id;
    tokens[letter + "</w>"] = id + 256;
  }
  std::ofstream(folder / "vocab.json") << tokens;
  std::ofstream(folder / "merges.txt") << "#version: 0.2\n";
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
  } else if (verb == "wrap" && words.size() > 4) {
    const ssam::StateDict state = ssam::load_safetensors(words[2]);
    ssam::StateDict wrapped{.tensors = {}, .metadata = state.metadata, .skipped = {}, .notes = {}};
    for (const auto& [name, tensor] : state.tensors) wrapped.tensors[words[3] + name] = tensor;
    for (std::size_t k = 5; k < words.size(); ++k) {
      wrapped.tensors[words[k]] = ssam::HostTensor::from(ssam::Shape{1}, std::vector<float>{1});
    }
    ssam::save_safetensors(words[4], wrapped);
  } else if (verb == "metadata" && words.size() == 6) {
    ssam::StateDict state = ssam::load_safetensors(words[2]);
    state.metadata[words[3]] = words[4];
    ssam::save_safetensors(words[5], state);
  } else if (verb == "fill" && words.size() > 4) {
    ssam::Shape shape;
    for (std::size_t k = 4; k < words.size(); ++k) shape.push_back(std::atoi(words[k].c_str()));
    const std::vector<float> values(static_cast<std::size_t>(shape.elements()),
                                    static_cast<float>(std::atof(words[2].c_str())));
    ssam::save_npy(words[3], ssam::HostTensor::from(shape, values));
  } else if (verb == "enlarged" && words.size() == 6) {
    return close_enlarged(ssam::load_npy(words[2]), ssam::load_npy(words[3]), std::atoi(words[4].c_str()),
                          std::atof(words[5].c_str()));
  } else if (verb == "picture" && words.size() == 5) {
    cv::theRNG().state = std::hash<std::string>{}(words[4]);  // another name is another picture
    return cv::imwrite(words[4], draw(words[2], std::atoi(words[3].c_str()))) ? 0 : 1;
  } else if (verb == "features" && words.size() > 4) {
    ssam::StateDict state;
    const auto dim = static_cast<std::size_t>(std::atoi(words[3].c_str()));
    for (std::size_t k = 4; k < words.size(); ++k) {
      std::vector<float> values(dim);
      for (std::size_t i = 0; i < dim; ++i) values[i] = std::sin(static_cast<float>((k + 1) * (i + 1)));
      state.tensors[words[k]] = ssam::HostTensor::from(ssam::Shape{static_cast<ssam::Index>(dim)}, values);
    }
    ssam::save_safetensors(words[2], state);
  } else if (verb == "clip" && words.size() == 3) {
    write_clip(words[2]);
  } else if (verb == "nifti" && words.size() == 3) {
    volumes::write_nifti(words[2]);
  } else if (verb == "dicom" && words.size() == 5) {
    volumes::write_dicom(words[2], std::atoi(words[3].c_str()), words[4]);
  } else if (verb == "same_place" && words.size() == 4) {
    return volumes::same_place(words[2], words[3]);
  } else if (verb == "same_slice" && words.size() == 7) {
    return volumes::same_slice(words[2], words[3], std::atoi(words[4].c_str()), std::atoi(words[5].c_str()), words[6]);
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
