"""What all tests share."""

import os

import hypothesis

# `make fuzz` sets the profile; by default properties are tried with few examples, so that the unit suite stays quick.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
