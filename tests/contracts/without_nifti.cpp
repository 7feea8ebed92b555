// Refused: ssam: load_nifti needs nifti_clib

#undef SSAM_WITH_NIFTI
#include <ssam/ssam.hpp>

void read() { ssam::load_nifti("volume.nii.gz"); }
