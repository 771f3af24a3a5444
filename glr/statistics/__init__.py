"""How sure a score is: intervals over queries and seeds, tests of differences, and effects of settings.

Plain functions on arrays. Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Smucker, Allan and
Carterette, A comparison of statistical significance tests for information retrieval evaluation, CIKM 2007; Sakai,
Statistical reform in information retrieval?, SIGIR Forum 48(1), 2014; Urbano, Lima and Hanjalic, Statistical
significance testing in information retrieval, SIGIR 2019; Hesterberg, What teachers should know about the bootstrap,
The American Statistician 69(4), 2015; Holm, A simple sequentially rejective multiple test procedure, Scandinavian
Journal of Statistics 6, 1979.
"""
