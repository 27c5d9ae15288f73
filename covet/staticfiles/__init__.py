"""Static files: found in the apps and STATICFILES_DIRS, served in development, collected for production."""
