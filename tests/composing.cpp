// Carries the precompiled headers of the composing tests.
