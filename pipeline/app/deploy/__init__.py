"""The application folder for MONAI Deploy: studies in, the files of `cmr segment` out, DICOM SEG and SR among them.

`python -m pipeline.app.deploy -i STUDY -o OUT [-m BUNDLE]` runs it, where `monai-deploy-app-sdk` is installed too.
Nothing else here imports these modules.
"""
