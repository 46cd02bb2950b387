import WeirLab
