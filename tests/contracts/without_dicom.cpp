// Refused: ssam: load_dicom needs GDCM

#undef SSAM_WITH_DICOM
#include <ssam/ssam.hpp>

void read() { ssam::load_dicom("series"); }
